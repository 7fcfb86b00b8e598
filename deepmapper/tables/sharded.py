"""A table in a folder of shards: opened and verified, and left on disk."""

from pathlib import Path

import numpy as np

from deepmapper.shards import ShardedTable
from deepmapper.tables._raw import Planner, RawTable, check_names


def read_sharded(path: Path, planner: Planner, missing: tuple[str, ...] = ()) -> RawTable:
    """The table in a folder (`deepmapper.shards`); its labels only where they are planned for.

    Every file is read once, to compare checksums.

    Raises:
        DeepMapperError: no table there; files that are missing, damaged or of another shape; names
            that occur twice.
    """
    table = ShardedTable(path)
    table.verify()
    names = table.features
    check_names(names, str(path))
    plan = planner(names, [] if table.label is None else [table.label], str(path))
    numbers = table
    if plan.features != names:
        place = {name: i for i, name in enumerate(names)}
        numbers = table.take(columns=np.array([place[name] for name in plan.features], dtype=int))
    used = set(plan.features)
    return RawTable(
        str(path),
        numbers,
        plan.features,
        {},
        np.array([str(i) for i in range(1, len(table) + 1)], dtype=object),
        table.labels if plan.label is not None else None,
        tuple(name for name in names if name not in used),
    )
