"""Real tables, one file a dataset: `load(**params)` returns a `Table`."""
