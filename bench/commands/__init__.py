"""Smaller commands of bench."""
