"""Keep a result: copy a store to a folder small enough for the repository.

    python -m reports.publish results/quick reports/published/quick --command "make quick"

Records, environment, spec, tables, figures (PNG, in 256 colours) and the page (without its
interactive chart) are made anew in which no folder of the machine is named: the data folder is
`$DEEPMAPPER_DATA` there, and so on. Of the arrays, attributions of wide tables are cut to the
strongest features, of each class and of their mean: `top_features` (k,), `top_values`
(n_classes, k). `--no-arrays` leaves all arrays out, for results of many cells: their metrics are in
the records. `--paper` publishes the figures, tables and claims of `python -m reports paper`.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bench.machine.redaction import folders_and_words, redacted
from bench.store.store import Store, write_atomically
from reports.build import build
from reports.page import reduced
from reports.paper.build import build as build_paper

KEEP_WHOLE = 20_000  # numbers of an attribution array; wider ones are cut
TOP = 100


def publish(
    source: Path, target: Path, command: str, *, arrays: bool = True, paper: bool = False
) -> None:
    """Copy what is worth keeping of `source` to `target`, in place of an earlier copy.

    With `paper`, what `python -m reports paper` makes takes the place of the report.

    Other files of `target`, such as its README, stay. The records of `source` are only read.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Store(Path(folder) / target.name)
        _copy_redacted(Store(source), copy)
        if paper:
            build_paper(copy.folder)
        else:
            build(copy.folder, interactive=False)
        for picture in (copy.folder / "report" / "figures").glob("*.png"):
            picture.write_bytes(reduced(picture.read_bytes(), 1))
        for vector in copy.folder.glob("*/figures/*.svg"):
            vector.unlink()
        links = copy.artifacts.rename(Path(folder) / "links")
        if arrays:
            copy.artifacts.mkdir()
            for link in sorted(links.iterdir()):
                _cut(Store(source).artifact(link.stem), copy.artifacts / link.name)
        (copy.folder / "COMMAND").write_text(command + "\n")
        for name in ("cells", "artifacts", "report", "paper"):
            shutil.rmtree(target / name, ignore_errors=True)
        shutil.copytree(copy.folder, target, dirs_exist_ok=True)


def _copy_redacted(source: Store, copy: Store) -> None:
    """Records on one line each, without folders of this machine; links to the arrays."""
    copy.cells.mkdir(parents=True)
    copy.artifacts.mkdir()
    words = folders_and_words(source.folder)
    for record in source.records():
        text = json.dumps(redacted(record, words), allow_nan=False)
        (copy.cells / f"{record['key']}.json").write_text(text + "\n")
        artifact = source.artifacts / f"{record['key']}.npz"
        if artifact.is_file():
            os.symlink(artifact.resolve(), copy.artifacts / artifact.name)
    for name in ("spec.toml", "environment.json"):
        shutil.copyfile(source.folder / name, copy.folder / name)


def _cut(arrays: dict[str, np.ndarray], path: Path) -> None:
    scores = arrays.get("attributions")
    if scores is not None and scores.size > KEEP_WHOLE:
        strengths = np.abs(scores)
        by_class = np.argsort(-strengths, axis=1, kind="stable")[:, :TOP]
        overall = np.argsort(-strengths.mean(0), kind="stable")[:TOP]
        top = np.unique(np.append(by_class, overall))
        rest = {name: array for name, array in arrays.items() if name != "attributions"}
        arrays = rest | {"top_features": top, "top_values": scores[:, top]}
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def main(
    source: Path,
    target: Path,
    command: Annotated[str, typer.Option(help="The command that made the result.")],
    arrays: Annotated[bool, typer.Option(help="Keep predictions, attributions, images.")] = True,
    paper: Annotated[bool, typer.Option(help="The paper's page in place of the report.")] = False,
) -> None:
    """Copy a result into the repository."""
    publish(source, target, command, arrays=arrays, paper=paper)
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    sys.stdout.write(f"{target}: {size / 2**20:.1f} MiB\n")


if __name__ == "__main__":
    typer.run(main)
