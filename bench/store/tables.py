"""Tables made once a run and shared by its cells through files.

tables/<id>.json keeps what a table is (checksum, sizes, classes, source) and stays;
tables/<id>/ keeps its arrays and is removed when the run ends.
"""

import contextlib
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


def run_job(job: dict[str, Any]) -> int:
    """Make a table in a process of its own and write its description; returns the exit code."""
    try:
        facts = prepare(Path(job["folder"]) / "tables", TableRequest(**job["table"]))
        Path(job["answer"]).write_text(json.dumps(facts))
    except OSError as error:
        sys.stderr.write(f"cannot write: {error.strerror}\n")
        return DISK_FULL
    return 0


def prepare(folder: Path, request: TableRequest) -> dict[str, Any]:
    """Load the table, write its arrays and its description; returns the description.

    The description of a table that is unavailable has `status` and `reason` instead of sizes.
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
    """The description of a table from an earlier run, or None."""
    path = folder / f"{request.id}.json"
    return {**json.loads(path.read_text()), **_request(request)} if path.is_file() else None


def is_ready(folder: Path, request: TableRequest) -> bool:
    """Whether its arrays exist."""
    return (folder / request.id / "table.json").is_file()


def discard_arrays(folder: Path) -> None:
    """Remove the arrays of all tables; the descriptions stay."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def write_table(folder: Path, table: Table) -> None:
    """Write the arrays of a table as .npy files, the whole folder at once.

    A table that another run has made meanwhile stays: it may be in use.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    new.chmod(0o755)  # mkdtemp's are for their owner alone
    try:
        _write_arrays(new, table)
        if folder.is_dir() and not (folder / "table.json").is_file():
            shutil.rmtree(folder)  # a part, left by a version that wrote in place
        with contextlib.suppress(OSError):  # not empty: it is there
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    if not (folder / "table.json").is_file():
        message = f"the table could not be moved to {folder}: something else is in its place"
        raise OSError(message)


def _write_arrays(folder: Path, table: Table) -> None:
    arrays: dict[str, np.ndarray] = {"y": table.y}
    if isinstance(table.X, np.ndarray):
        arrays["X"] = table.X
    else:
        arrays |= {"data": table.X.data, "indices": table.X.indices, "indptr": table.X.indptr}
    if table.relevant is not None:
        arrays["relevant"] = np.asarray(table.relevant)
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
    """The table that `write_table` wrote."""
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
    )


def describe(table: Table) -> dict[str, Any]:
    """The description of a table for records."""
    return {
        "checksum": table.checksum,
        "n_samples": table.n_samples,
        "n_features": table.n_features,
        "n_classes": table.n_classes,
        "classes": list(table.classes),
        "relevant": None if table.relevant is None else [int(f) for f in table.relevant],
        "source": vars(table.source),
    }


def _request(request: TableRequest) -> dict[str, Any]:
    return {"name": request.name, "label": request.label, "params": request.params}


def describe_failure(request: TableRequest, status: str, reason: str) -> dict[str, Any]:
    """The description of a table that is unavailable or broken."""
    sizes = dict.fromkeys(
        ("checksum", "n_samples", "n_features", "n_classes", "relevant", "source")
    )
    return {**_request(request), **sizes, "classes": [], "status": status, "reason": reason}
