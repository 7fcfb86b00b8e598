"""What the harness takes at sizes that no test has: one file a measurement.

    python -m bench.experiments.scale                        # which there are
    python -m bench.experiments.scale collect --cells 5000

A measurement is a file with `measure(...)`, whose arguments are its options; it prints what it
found, and what was asked for.
"""
