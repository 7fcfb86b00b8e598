"""Experiments about this project itself; they import the product, never the other way."""
