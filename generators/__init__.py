"""Seeded synthetic tables with known relevant features: `load(*, seed, ...)`.

Raises a TableError that names the parameter, its value and the expected values.
"""
