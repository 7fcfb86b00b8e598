"""Experiments about this project: `python -m bench.experiments list | run NAME | report`."""
