"""The command line: reads a table, trains, writes a folder for people."""
