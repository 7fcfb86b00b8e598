"""Real tables. One file is one dataset: `load(**params) -> Table`, parsing apart from fetching."""
