"""A run: from a spec to a filled store, and what one cell does."""
