"""Experiments about this project itself, apart from the grid of methods.

    python -m bench.experiments list
    python -m bench.experiments run nihs xor ... --out results/experiments
    python -m bench.experiments report --out results/experiments

An `Experiment` has a target (what must be reached, and what is hoped for), cases, `measure` and a
summary. Each case runs in its own process and is one record; a case that has a record is not run
again. Experiments import the product; nothing of the product imports an experiment.
"""
