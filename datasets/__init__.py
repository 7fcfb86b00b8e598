"""Real tables, one file a dataset: `load(**params)` returns a `Table`.

Raises a TableError for a wrong parameter or a file with unexpected content, and DataUnavailable for
a missing file that cannot be downloaded.
"""
