"""Estimates with intervals, and comparisons of methods."""
