"""Keep a result: copy a store to a folder small enough for the repository.

    python -m reports.publish results/quick reports/published/quick --command "make quick"

Cells, environment, spec, tables, figures (PNG) and the page are copied as they are, the page
without its interactive chart. Of the arrays, attributions of wide tables are cut to the strongest
features, of each class and of their mean: `top_features` (k,), `top_values` (n_classes, k). That is
all that is left out.
"""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bench.store import Store, write_atomically
from reports.build import build

KEEP_WHOLE = 20_000  # numbers of an attribution array; wider ones are cut
TOP = 100


def publish(source: Path, target: Path, command: str) -> None:
    """Copy what is worth keeping of `source` to `target`, which is emptied of an earlier copy."""
    build(source, interactive=False)
    for name in ("cells", "artifacts", "report"):
        shutil.rmtree(target / name, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    for name in ("spec.toml", "environment.json", "results.parquet"):
        shutil.copyfile(source / name, target / name)
    shutil.copytree(source / "report", target / "report", ignore=shutil.ignore_patterns("*.svg"))
    kept, store = Store(target), Store(source)
    kept.create()
    (target / "tables").rmdir()
    for record in store.records():
        shutil.copyfile(store.cells / f"{record['key']}.json", kept.cells / f"{record['key']}.json")
        arrays = _cut(store.artifact(record["key"]))
        if arrays:
            write_atomically(
                kept.artifacts / f"{record['key']}.npz",
                lambda file, arrays=arrays: np.savez_compressed(file, **arrays),  # type: ignore[misc]
            )
    (target / "COMMAND").write_text(command + "\n")


def _cut(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    scores = arrays.get("attributions")
    if scores is None or scores.size <= KEEP_WHOLE:
        return arrays
    strengths = np.abs(scores)
    by_class = np.argsort(-strengths, axis=1, kind="stable")[:, :TOP]
    overall = np.argsort(-strengths.mean(0), kind="stable")[:TOP]
    top = np.unique(np.append(by_class, overall))
    rest = {name: array for name, array in arrays.items() if name != "attributions"}
    return rest | {"top_features": top, "top_values": scores[:, top]}


def main(
    source: Path,
    target: Path,
    command: Annotated[str, typer.Option(help="The command that made the result.")],
) -> None:
    """Copy a result into the repository."""
    publish(source, target, command)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    sys.stdout.write(f"{target}: {size / 2**20:.1f} MiB\n")


if __name__ == "__main__":
    typer.run(main)
