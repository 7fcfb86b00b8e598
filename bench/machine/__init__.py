"""One machine: its cores and GPUs, and the processes that run on them."""
