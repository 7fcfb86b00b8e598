"""The harness: expand a spec into cells, run each in a process, store its record."""
