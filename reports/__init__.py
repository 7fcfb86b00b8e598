"""Views of a store: tables, figures and one HTML page. The cells are only read."""
