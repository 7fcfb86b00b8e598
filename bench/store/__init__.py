"""The output folder: records, arrays, tables, locks."""
