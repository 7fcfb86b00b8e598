"""Tables as files: each table is made once for a run, and its cells read it.

tables/<id>.json is the description of a table (checksum, sizes, classes, source).
tables/<id>/ has its arrays and is removed when the run ends.
"""

import contextlib
import errno
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from bench.catalog import table_entry
from bench.cell import TableRequest
from bench.store.store import DISK_FULL, write_atomically
from datasets.table import DataUnavailable, Source, Table

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def run_job(job: dict[str, Any]) -> int:
    """Make a table and write its description, in a process. Return the exit code."""
    try:
        facts = prepare(Path(job["folder"]) / "tables", TableRequest(**job["table"]))
        Path(job["answer"]).write_text(json.dumps(facts))
    except OSError as error:
        if error.errno not in FULL:  # a data set that cannot be read
            raise
        sys.stderr.write(f"cannot write: {error.strerror}\n")
        return DISK_FULL
    return 0


def prepare(folder: Path, request: TableRequest) -> dict[str, Any]:
    """Load a table, write its arrays and its description, and return the description.

    The description of an unavailable table has `status` and `reason` instead of sizes.
    """
    start = time.perf_counter()
    entry = table_entry(request.name)
    if entry.unavailable:
        return describe_failure(request, "unavailable", entry.unavailable)
    try:
        table = entry.load().load(**request.params)
    except DataUnavailable as error:
        return describe_failure(request, "unavailable", str(error))
    write_table(folder / request.id, table)
    facts = {**_request(request), **describe(table)}
    facts |= {"prepare_seconds": time.perf_counter() - start, "status": "ok"}
    text = json.dumps(facts, indent=1).encode()
    write_atomically(folder / f"{request.id}.json", lambda file: file.write(text))
    return facts


def description(folder: Path, request: TableRequest) -> dict[str, Any] | None:
    """Read the description of a table from an earlier run, or return None."""
    path = folder / f"{request.id}.json"
    return {**json.loads(path.read_text()), **_request(request)} if path.is_file() else None


def is_ready(folder: Path, request: TableRequest) -> bool:
    """Whether the arrays of the table exist."""
    return (folder / request.id / "table.json").is_file()


def discard_arrays(folder: Path) -> None:
    """Remove the arrays of all tables, but not the descriptions."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def write_table(folder: Path, table: Table) -> None:
    """Write the arrays of a table to a temporary folder, then rename it.

    If another run has made the table in the meantime, its folder stays: it may be in use.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    new.chmod(0o755)  # mkdtemp makes folders that only their owner can read
    try:
        _write_arrays(new, table)
        if folder.is_dir() and not (folder / "table.json").is_file():
            shutil.rmtree(folder)  # incomplete, from a version that wrote in place
        with contextlib.suppress(OSError):  # not empty: the table exists
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    if not (folder / "table.json").is_file():
        message = f"the table could not be moved to {folder}: that path is not a table"
        raise OSError(message)


def _write_arrays(folder: Path, table: Table) -> None:
    arrays: dict[str, np.ndarray] = {"y": table.y}
    if isinstance(table.X, np.ndarray):
        arrays["X"] = table.X
    else:
        arrays |= {"data": table.X.data, "indices": table.X.indices, "indptr": table.X.indptr}
    if table.relevant is not None:
        arrays["relevant"] = np.asarray(table.relevant)
    if table.groups is not None:
        arrays["groups"] = table.groups
    if table.official_split is not None:
        arrays["train"], arrays["test"] = (np.asarray(rows) for rows in table.official_split)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    rest = {
        "name": table.name,
        "shape": table.X.shape,
        "classes": table.classes,
        "features": list(table.features),
        "source": vars(table.source),
    }
    text = json.dumps(rest).encode()
    write_atomically(folder / "table.json", lambda file: file.write(text))


def read_table(folder: Path) -> Table:
    """Read a table that `write_table` wrote."""
    rest = json.loads((folder / "table.json").read_text())
    arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    X = arrays.get("X")
    if X is None:
        parts = (arrays["data"], arrays["indices"], arrays["indptr"])
        X = sparse.csr_matrix(parts, shape=tuple(rest["shape"]))
    return Table(
        name=rest["name"],
        X=X,
        y=arrays["y"],
        classes=rest["classes"],
        features=rest["features"],
        source=Source(**rest["source"]),
        relevant=arrays.get("relevant"),
        official_split=(arrays["train"], arrays["test"]) if "train" in arrays else None,
        groups=arrays.get("groups"),
    )


def describe(table: Table) -> dict[str, Any]:
    """Describe a table for records."""
    return {
        "checksum": table.checksum,
        "n_samples": table.n_samples,
        "n_features": table.n_features,
        "n_classes": table.n_classes,
        "classes": list(table.classes),
        "n_missing": table.n_missing,
        "n_groups": None if table.groups is None else len(np.unique(table.groups)),
        "relevant": None if table.relevant is None else [int(f) for f in table.relevant],
        "source": vars(table.source),
    }


def _request(request: TableRequest) -> dict[str, Any]:
    return {"name": request.name, "label": request.label, "params": request.params}


def describe_failure(request: TableRequest, status: str, reason: str) -> dict[str, Any]:
    """Describe a table that is unavailable or could not be made."""
    sizes = dict.fromkeys(
        ("checksum", "n_samples", "n_features", "n_classes", "relevant", "source")
    )
    return {**_request(request), **sizes, "classes": [], "status": status, "reason": reason}
