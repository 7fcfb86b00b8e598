"""Scripts that run in environments of their own, see `baselines/_environment.py`."""
