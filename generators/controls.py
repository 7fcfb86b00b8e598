"""Controls: another table, changed so that the result of a sound run is known.

1,797 samples, 64 features and ten classes by default: the 8 x 8 digits with permuted labels. Any
other dataset or generator can be the base, with its licence. Permuted labels are the null
hypothesis of Ojala and Garriga, J Mach Learn Res 11 (2010). The leaked label and the copies are
leaks as in Kaufman et al., ACM Trans Knowl Discov Data 6 (2012).
Trap: `leaked_label` and `duplicated_rows` are easier than their base. A good result there is no
merit of a method.
"""

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import sparse

from datasets.table import Matrix, Table
from generators._parameters import refuse, require_whole
from generators._streams import stream
from generators.shuffled_mnist import shuffle_features

WRONG_SHARE = 0.01  # of the leaked labels
NOT_A_BASE = {"table", "fetch", "controls"}


def load(
    *,
    base: str = "digits",
    base_params: dict[str, object] | None = None,
    control: str = "permuted_labels",
    seed: int = 0,
) -> Table:
    """Load the base table and change it.

    - "permuted_labels": the labels are in random order, within each part of an official split.
      Expected result: the accuracy of guessing. `relevant` is None.
    - "shuffled_columns": the columns are in random order. Expected result: that of the base, for
      each method that ignores the order.
    - "leaked_label": the last column, "leaked_label", is the class code, in 1% of the rows (at
      least one) that of another class. `relevant` has it, as the only feature if those of the base
      are unknown. Expected result: an accuracy of 99% by trees, and the column first in a ranking.
      A linear method needs two classes to use it fully.
    - "duplicated_rows": the rows are repeated. Copies lie on both sides of a drawn split, so a
      method that memorises rows is better than on the base. No official split, no groups.
    - "duplicated_rows_grouped": the same with `groups`, those of the base or one for each row and
      its copy, so that copies stay on one side. Expected result: that of the base.

    Parameters
    ----------
    base : str
        Name of a dataset or generator of this project. Plug-ins cannot be a base.
    base_params : dict, optional
        Parameters of the base. If it has a seed and none is given, it gets `seed`.
    control : str
        One of CONTROLS.
    seed : int

    Returns
    -------
    Table
        The changed table. `notes` has the control, the base and its parameters, but not the notes
        of the base, which may be wrong for the control.

    Raises
    ------
    TableError
        If the base, one of its parameters or the control is unknown.

    >>> load(control="leaked_label").relevant
    array([64])
    """
    require_whole("controls", 0, seed=seed)
    if control not in CONTROLS:
        refuse("controls", "control", f"one of {', '.join(CONTROLS)}", control, "Choose one.")
    params = _base_parameters(base, base_params or {}, seed)
    table = replace(_load_of(base)(**params), notes={})
    changed = CONTROLS[control](table, seed)
    words = control.replace("_", " ")
    return replace(
        changed,
        name=f"{table.name}_{control}",
        source=replace(table.source, citation=f"{table.source.citation}; control: {words}"),
        notes={**changed.notes, "control": control, "base": base, "base_params": params},
    )


def _base_modules() -> dict[str, str]:
    """Return the modules of the tables that can be a base, by the name of the table.

    The harness hashes the source of the base with that of this file (`bench.cell`).
    """
    folder = Path(__file__).resolve().parent.parent
    paths = [path for kind in ("datasets", "generators") for path in (folder / kind).glob("*.py")]
    return {
        path.stem: f"{path.parent.name}.{path.stem}"
        for path in paths
        if not path.stem.startswith("_") and path.stem not in NOT_A_BASE
    }


def _load_of(base: str) -> Callable[..., Table]:
    return importlib.import_module(_base_modules()[base]).load


def _base_parameters(base: str, given: dict[str, object], seed: int) -> dict[str, object]:
    """Check names of base and parameters, and add the seed if the base has one."""
    modules = _base_modules()
    if base not in modules:
        refuse(
            "controls", "base", f"one of {', '.join(sorted(modules))}", base, _near(base, modules)
        )
    known = inspect.signature(_load_of(base)).parameters
    for name in given:
        if name not in known:
            expected = f"parameters of {base!r}: {', '.join(known) or 'none'}"
            refuse("controls", "base_params", expected, name, _near(name, known))
    return {"seed": seed, **given} if "seed" in known else given


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else "Choose one."


def _permute_labels(table: Table, seed: int) -> Table:
    rng = stream(seed, "controls/permuted_labels")
    y = table.y.copy()
    for rows in table.official_split or [np.arange(table.n_samples)]:
        y[rows] = y[rng.permutation(rows)]
    return replace(table, y=y, relevant=None)


def _leak_label(table: Table, seed: int) -> Table:
    rng = stream(seed, "controls/leaked_label")
    n, k = table.n_samples, table.n_classes
    wrong = rng.choice(n, max(1, round(WRONG_SHARE * n)), replace=False)
    leak = table.y.copy()
    leak[wrong] = (leak[wrong] + rng.integers(1, k, size=len(wrong))) % k
    known = np.array([], dtype=np.int64) if table.relevant is None else table.relevant
    return replace(
        table,
        X=_stack([table.X, leak[:, None].astype(np.float32)], axis=1),
        features=[*table.features, "leaked_label"],
        relevant=np.append(known, table.n_features).astype(np.int64),
    )


def _duplicate_rows(table: Table, seed: int) -> Table:
    X, y = _stack([table.X, table.X], axis=0), np.tile(table.y, 2)
    return replace(table, X=X, y=y, official_split=None, groups=None)


def _duplicate_rows_grouped(table: Table, seed: int) -> Table:
    groups = np.arange(table.n_samples) if table.groups is None else table.groups
    return replace(_duplicate_rows(table, seed), groups=np.tile(groups, 2).astype(np.int64))


def _stack(parts: list[Matrix], axis: int) -> Matrix:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts, axis=axis)
    return (sparse.hstack if axis else sparse.vstack)(parts, format="csr", dtype=np.float32)


CONTROLS: dict[str, Callable[[Table, int], Table]] = {
    "permuted_labels": _permute_labels,
    "shuffled_columns": shuffle_features,
    "leaked_label": _leak_label,
    "duplicated_rows": _duplicate_rows,
    "duplicated_rows_grouped": _duplicate_rows_grouped,
}
