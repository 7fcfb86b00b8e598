"""Several output folders of one spec as one: `bench collect`.

    folders -> found -> judging (-> disputes: an error) -> arriving

All is read and judged before anything is written. Two records in the same place of the tables
(dataset, method, seed) are one if they are alike; else they are in dispute, and `--keep` says whose
counts. Sources are only read.
"""
