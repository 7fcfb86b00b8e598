"""A machine: its cores, its GPUs, and the processes that run on them."""
