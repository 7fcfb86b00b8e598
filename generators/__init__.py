"""Seeded synthetic tables whose relevant features are known: `load(*, seed, **params) -> Table`."""
