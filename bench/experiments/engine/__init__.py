"""What the engine is measured by, apart from the grid of methods: one file an experiment.

    python -m bench.experiments.engine list
    python -m bench.experiments.engine run nihs xor ... --out reports/published/engine
    python -m bench.experiments.engine report --out reports/published/engine

Every case of an experiment is a process of its own and one record; a case whose record is there is
not run again. An experiment is a file with TARGET (what must and what is hoped for), `cases()`, and
`measure(case) -> dict`, which runs in the process, and `summary(records) -> str`.
"""
