"""A run: its tables, its cells and their records."""
