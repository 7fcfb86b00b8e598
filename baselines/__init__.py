"""The competitors. One file is one method: a docstring with its source, `Params` and `build`."""
