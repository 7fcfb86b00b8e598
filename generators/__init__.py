"""Seeded synthetic tables with known relevant features: `load(*, seed, ...)`."""
