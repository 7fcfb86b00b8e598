"""The paper, regenerated: its figures, tables and claims, from stored cells.

`python -m bench run paper` makes the cells, `python -m reports paper DIR` the rest. One file is one
figure or one table. `build` puts them together. `published.toml` has the paper's numbers.
"""
