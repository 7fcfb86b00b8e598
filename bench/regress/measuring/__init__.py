"""What runs inside the measured processes. It imports nothing of ours by name.

`zygote.py` is started by its path and forks; its forks put one revision's checkout first on the
path. So `deepmapper`, `bench` and `reports` are that revision's there, while clock and workloads
are those of the checkout that asks, the same for both sides.
"""
