"""The harness: a spec becomes cells, cells become isolated runs, runs become records in a store."""
