"""The training loop, its objectives, devices and random streams."""
