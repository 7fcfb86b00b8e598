"""Write a result into the repository: `python -m reports publish RESULTS`.

`reports.topics` describes the files of a topic. Folders of this machine are replaced by words such
as `$DEEPMAPPER_DATA`. Attributions are cut to the strongest features, the strongest first:
`top_features` (k,), `top_strengths` (k,) and, of wide attributions that figures need, `top_values`
(n_classes, k). Small attributions that figures need are kept whole.
"""

import json
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench.catalog import entry
from bench.errors import BenchError, unknown
from bench.machine.redaction import list_replacements, redact
from bench.store.store import Record
from reports.statistics.stability import strongest
from reports.topics import PREDICTED, Topic, open_source, write_arrays, write_cells

KEEP_WHOLE = 20_000  # numbers of an attribution array. Larger ones are cut
MOST_LINES = 40  # of README.md
# Pictures of a report, the most telling first.
PICTURES = (
    *("phases", "learning", "variance", "ranks", "heat", "naming", "accuracy"),
    *("accuracy_vs_time", "needle_ranks", "images"),
)
MOST_PICTURES = 4
FOLDER = re.compile(r"(?<![\w.$>~:/])/(?:home|root|Users|tmp|work|mnt|scratch|srv|data)/[\w.-]+")


def publish(
    source: Path,
    target: Path,
    command: str | None = None,
    *,
    stale: str | None = None,
    arrays: bool = True,
    pictures: Sequence[str] = PICTURES,
) -> None:
    """Write the topic of a result and replace an earlier one.

    An existing README.md is kept. Without one, a first one names the command. A profile whose name
    begins with "paper" has the figures of the paper as pictures, other results at most
    `MOST_PICTURES` of the report.

    Parameters
    ----------
    source : Path
        Output folder of `bench run`, or folder with cells/*.json of an experiment.
    command : str, optional
        Command that renews the result. Default: `python -m bench run` with the spec's name.
    stale : str, optional
        Why the result is published although its code differs from that of the tree. Required if it
        is of several commits or other sources, else a BenchError is raised.
    arrays : bool
        Whether to write arrays for figures.
    pictures : sequence of str, default PICTURES
        Names among PICTURES, else a BenchError is raised. The first `MOST_PICTURES` that can be
        drawn are written.
    """
    for picture in pictures:
        if picture not in PICTURES:
            raise unknown(picture, "picture", PICTURES)
    words = list_replacements(source)
    records = [redact(record, words) for record in _records(source)]
    name = _spec_name(source)
    if command is None:
        if name is None:
            message = f"{source} has no spec.toml. Give the command that makes it: --command."
            raise BenchError(message)
        command = f"python -m bench run {name}"
    with tempfile.TemporaryDirectory() as folder:
        topic = Path(folder) / target.name
        topic.mkdir()
        write_cells(records, topic / "cells.parquet")
        _write_about(topic, records, command, stale)
        if name is not None:
            shutil.copyfile(source / "spec.toml", topic / "spec.toml")
            write_arrays(_arrays(source, records, whole=arrays), topic)
            _draw(source, topic, pictures, paper=name.startswith("paper"))
        if (target / "README.md").is_file():
            shutil.copyfile(target / "README.md", topic / "README.md")
        else:
            (topic / "README.md").write_text(f"# {topic.name}\n\n`{command}`\n")
        if faults := problems(topic):
            raise BenchError("\n".join(faults))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(topic, target)


def problems(folder: Path) -> list[str]:
    """Return the faults of a published topic, each with the command that fixes it."""
    name, about = folder.name, tomllib.loads((folder / "topic.toml").read_text())
    records = list(Topic(folder).records())
    renew = f"Renew it: {about['command']}, then python -m reports publish."
    faults = []
    if "stale" not in about:
        commits = _commits(records)
        if len(commits) != 1:
            short = ", ".join(commit[:12] for commit in commits) or "none"
            faults.append(f"{name}: cells of commits {short}, expected one. {renew}")
        if changed := ", ".join(changed_methods(records)):
            faults.append(f"{name}: the sources of {changed} are not those of this tree. {renew}")
    n_lines = len((folder / "README.md").read_text().splitlines())
    if n_lines > MOST_LINES:
        faults.append(f"{name}/README.md: {n_lines} lines, at most {MOST_LINES}. Shorten it.")
    texts = [path.read_text() for path in folder.glob("*.toml")] + [json.dumps(records)]
    if paths := ", ".join(sorted({path for text in texts for path in FOLDER.findall(text)})):
        faults.append(f"{name}: names folders of a machine: {paths}. {renew}")
    return faults


def changed_methods(records: list[Record]) -> list[str]:
    """Return the methods of these records whose source differs from the tree's."""

    def source_hash(method: str) -> str | None:
        try:
            return entry("methods", method).source_hash
        except BenchError:  # the tree no longer has this method
            return None

    hashes = {(r["method"]["name"], r["method"]["source_hash"]) for r in records if "method" in r}
    return sorted({name for name, recorded in hashes if source_hash(name) != recorded})


def _commits(records: list[Record]) -> list[str]:
    commits = {(record.get("environment") or {}).get("commit") for record in records}
    return sorted(commit for commit in commits if commit)


def _records(source: Path) -> Iterator[Record]:
    """Yield the records of a run, or those of an experiment with their file names."""
    if (source / "spec.toml").is_file():
        yield from open_source(source).records()
        return
    for path in sorted((source / "cells").rglob("*.json")):
        name = path.relative_to(source / "cells").with_suffix("").as_posix()
        yield {"file": name} | json.loads(path.read_text())


def _spec_name(source: Path) -> str | None:
    path = source / "spec.toml"
    return str(tomllib.loads(path.read_text())["name"]) if path.is_file() else None


def _write_about(topic: Path, records: list[Record], command: str, stale: str | None) -> None:
    entries: dict[str, object] = {"command": command, "commits": _commits(records)}
    if seconds := sum(record.get("cpu_seconds") or 0.0 for record in records):
        entries["cpu_hours"] = round(seconds / 3600, 2)
    if stale is not None:
        entries["stale"] = stale
    # Texts, numbers and lists of JSON are valid TOML.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in entries.items()]
    (topic / "topic.toml").write_text("\n".join(lines) + "\n")


def _arrays(
    source: Path, records: list[Record], *, whole: bool
) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    reader = open_source(source)
    for record in records:
        yield record["key"], _cut(reader.arrays(record["key"]), whole=whole)


def _cut(arrays: dict[str, np.ndarray], *, whole: bool) -> dict[str, np.ndarray]:
    scores = arrays.pop("attributions", None)
    kept = {name: values for name, values in arrays.items() if whole or name in PREDICTED}
    if scores is None:
        return kept
    if whole and scores.size <= KEEP_WHOLE:
        return kept | {"attributions": scores}
    features, strengths = strongest(scores)
    kept |= {"top_features": features, "top_strengths": strengths}
    return kept | ({"top_values": scores[:, features]} if whole else {})


def _draw(source: Path, topic: Path, names: Sequence[str], *, paper: bool) -> None:
    """Draw the pictures of a topic from all arrays of the run."""
    from reports.figures.plans import draw_all
    from reports.page.html import reduced
    from reports.paper.build import build
    from reports.results import Results

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if paper:
            build(source, out)
            pictures = sorted((out / "paper" / "figures").glob("*.png"))
        else:
            drawn = draw_all(Results.read(source), out, names)
            by_name = {plan.name: plan.png for plan in drawn if plan.png}
            pictures = [by_name[name] for name in names if name in by_name][:MOST_PICTURES]
        for path in pictures:
            (topic / path.name).write_bytes(reduced(path.read_bytes()))
