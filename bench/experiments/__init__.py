"""Experiments on this project: `python -m bench.experiments list`."""
