"""Methods, one file each: a docstring with source and limits, `Params`, `build`.

`build(params, *, device, seed)` returns an unfitted scikit-learn `Pipeline` of "convert" and
"model". `device` is "cpu" or "cuda", `seed` an int for all random choices. `supports(table)`
returns why the method refuses a table, or None. `warm_up(table)` compiles code before the clock
starts. `REQUIRES` maps imported modules to packages. `ENVIRONMENT` lists the packages of a Python
environment of its own, see `_environment`.
"""
