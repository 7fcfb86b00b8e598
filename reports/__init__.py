"""Views of a store: tables, figures and one HTML page. They read the cells and never change them"""
