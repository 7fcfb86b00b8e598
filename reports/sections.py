"""The parts of the page that are neither tables of numbers nor figures."""

import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.machine.environment import Hardware, hardware
from bench.store.store import Record
from reports import units
from reports.figures import Drawn
from reports.results import Results

TRACE_CHARACTERS = 6000  # of the end of a traceback: the page is to stay small
MOST_FAILURES = 500  # that are listed
MOST_MISSING = 200  # pairs of method and dataset that were not run, by name
MOST_CELLS = 2000  # that are listed


@dataclass(frozen=True)
class Machine:
    """An environment and the number of cells that ran in it."""

    facts: list[tuple[str, str]]
    packages: list[tuple[str, str]]
    n_cells: int
    letter: str = ""  # of its kind, where there are several


def summary(results: Results) -> str:
    """How many cells, of what, with what outcome."""
    counts = Counter(str(status) for status in results.frame["status"])
    if not counts:
        return "This store holds no cells yet: there is nothing to show."
    outcomes = ", ".join(f"{n} {units.status_words(status)}" for status, n in counts.most_common())
    n_seeds = results.frame["seed"].nunique()
    sizes = [
        _some(len(results.datasets), "dataset"),
        _some(len(results.methods), "method"),
        _some(n_seeds, "seed"),
    ]
    return f"{_some(len(results.frame), 'cell')} ({', '.join(sizes)}): {outcomes}."


def _some(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def dates(results: Results) -> str:
    """When the cells ran: the first start and the last finish."""
    started = [r["started"] for r in results.records.values() if r.get("started")]
    finished = [r["finished"] for r in results.records.values() if r.get("finished")]
    if not started or not finished:
        return ""
    first, last = _minute(min(started)), _minute(max(finished))
    return f"Run from {first} to {last} (UTC)."


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ")


def machines(results: Results) -> list[Machine]:
    """Each distinct environment, the one with most cells first.

    Machines that differ in nothing but their anonymous ids are one.
    """
    found: Counter[str] = Counter()
    ids: dict[str, set[str]] = defaultdict(set)
    for record in results.records.values():
        described = {
            **(record.get("environment") or {}),
            **{name: record.get(name) for name in ("device", "threads", "jobs")},
        }
        name = described.pop("machine", None)
        text = json.dumps(described, sort_keys=True)
        found[text] += 1
        ids[text] |= {name} if name else set()
    letters = {kind.hardware: kind.letter for kind in results.machines}
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [_machine(json.loads(text), n, len(ids[text]), letters) for text, n in ordered]


def _machine(
    facts: dict[str, Any], n_cells: int, n_machines: int, letters: dict[Hardware, str]
) -> Machine:
    commit = str(facts.get("commit") or "unknown")[:12]
    changed = " with uncommitted changes" if facts.get("dirty") else ""
    memory = facts.get("memory_mib")
    n_cpus = facts.get("n_cpus")
    cores = _some(n_cpus, "core") if n_cpus else "? cores"
    shown = [
        ("Processor", f"{facts.get('cpu') or 'unknown'}, {cores}"),
        ("Memory", f"{memory / 1024:.1f} GiB" if memory else "unknown"),
        ("GPU", str(facts.get("gpu") or "none")),
        ("Device used", str(facts.get("device") or "unknown")),
        ("Side by side", _side_by_side(facts)),
        ("Platform", str(facts.get("platform") or "unknown")),
        ("Python", str(facts.get("python") or "unknown")),
        ("Commit", commit + changed),
    ]
    if n_machines > 1:
        shown.insert(0, ("Machines", str(n_machines)))
    letter = letters[hardware({"environment": facts, "threads": facts.get("threads")})]
    packages = sorted((facts.get("packages") or {}).items())
    return Machine(shown, packages, n_cells, letter if len(letters) > 1 else "")


def _side_by_side(facts: dict[str, Any]) -> str:
    cells, threads = facts.get("jobs") or 1, facts.get("threads") or 1
    return f"{_some(cells, 'cell')}, {_some(threads, 'thread')} each"


def title(results: Results) -> str:
    """The name that the spec gives; that of the folder where there is no spec."""
    folder = results.source.folder.resolve()
    spec = folder / "spec.toml"
    return str(tomllib.loads(spec.read_text())["name"]) if spec.is_file() else folder.name


def data_rows(results: Results) -> list[dict[str, Any]]:
    """What each dataset is, where it comes from and how it was split."""
    return [_data_row(results, dataset) for dataset in results.datasets]


def _data_row(results: Results, dataset: str) -> dict[str, Any]:
    facts = results.dataset_facts(dataset)
    frame = results.frame[results.frame["dataset_label"] == dataset]
    source = facts.get("source") or {}
    address = str(source.get("address") or "")
    relevant = facts.get("relevant")
    return {
        "label": dataset,
        "name": facts["name"],
        "params": _params([results.records[key]["dataset"]["params"] for key in frame["key"]]),
        "sizes": [facts.get(n) for n in ("n_samples", "n_features", "n_classes")],
        "rows": [facts.get(n) for n in ("n_train", "n_test")],
        "split": ", ".join(sorted(set(frame["split"].dropna()))) or units.NOT_KNOWN,
        "needles": len(relevant) if relevant else None,
        "citation": source.get("citation") or "",
        "licence": source.get("licence") or "",
        "address": address if re.match(r"https?://", address) else "",
        "alive": bool((frame["status"] == "ok").any()),
    }


def _params(of_cells: list[dict[str, Any]]) -> str:
    """The parameters that the cells of a dataset share; those that follow the seed by name."""
    texts = []
    for name, value in of_cells[0].items():
        if any(params.get(name) != value for params in of_cells):
            texts.append(f"{name} = that of the cell")
        elif value is not None:
            texts.append(f"{name} = {value}")
    return ", ".join(texts)


def failures(results: Results) -> list[dict[str, Any]]:
    """Cells that are not ok, at most `MOST_FAILURES`, with their reasons and tracebacks."""
    bad = results.frame[results.frame["status"] != "ok"]
    return [_failure(results.records[key]) for key in bad["key"][:MOST_FAILURES]]


def _failure(record: Record) -> dict[str, Any]:
    trace = record.get("traceback") or ""
    return {
        "dataset": record["dataset"]["label"],
        "method": record["method"]["label"],
        "seed": record["seed"],
        "status": units.status_words(record["status"]),
        "reason": record.get("reason") or "no reason was recorded",
        "seconds": record.get("wall_seconds"),
        "traceback": without_folders(trace[-TRACE_CHARACTERS:]),
    }


def without_folders(trace: str) -> str:
    """A traceback with paths cut to their last parts: where a checkout lies is private."""
    return re.sub(r'File "(?:[^"]*/)?([^"/]+/[^"/]+/[^"/]+)"', r'File "…/\1"', trace)


def left_out(results: Results, drawn: list[Drawn]) -> list[str]:
    """What a reader might look for and does not find, with the cause."""
    found = [f"Figure “{figure.title}”: {figure.note}" for figure in drawn if figure.note]
    if results.times_note:
        found.append(f"Times: {results.times_note.strip()}")
    dead = [row["label"] for row in data_rows(results) if not row["alive"]]
    if dead:
        found.append(f"Figures show no panel for {', '.join(dead)}: no cell there is ok.")
    unknown = [d for d in results.datasets if not results.dataset_facts(d).get("relevant")]
    if unknown:
        found.append(
            f"Attribution is not scored on {', '.join(unknown)}: "
            "which features matter there is not known."
        )
    missing = [
        f"{method} on {dataset}"
        for dataset in results.datasets
        for method in results.methods
        if results.group(dataset, method) is None
    ]
    if missing:
        more = len(missing) - MOST_MISSING
        rest = f" and {more:,} more: the tables have all" if more > 0 else ""
        found.append(f"Not run: {', '.join(missing[:MOST_MISSING])}{rest}.")
    for what, n, most in (
        ("failures", int((results.frame["status"] != "ok").sum()), MOST_FAILURES),
        ("cells", len(results.frame), MOST_CELLS),
    ):
        if n > most:
            found.append(f"Of {n:,} {what}, {most:,} are listed: results.parquet has all.")
    return found


def cell_rows(results: Results) -> list[dict[str, Any]]:
    """One row a cell, at most `MOST_CELLS`; its key names its files."""
    several = len(results.machines) > 1
    return [
        {
            "key": row["key"],
            "dataset": row["dataset_label"],
            "method": row["method_label"],
            "seed": row["seed"],
            "status": row["status"],
            "accuracy": None if row["accuracy"] != row["accuracy"] else row["accuracy"],
            "seconds": None if row["wall_seconds"] != row["wall_seconds"] else row["wall_seconds"],
            "remark": _remark(row, several),
        }
        for row in results.frame[:MOST_CELLS].to_dict("records")
    ]


def _remark(row: Mapping[Any, Any], several: bool) -> str:
    """Why its time is not to be compared with others; "" where nothing is to be said."""
    machine = [f"machine {row['machine']}"] if several else []
    return ", ".join(machine + (["shared"] if isinstance(row["shared"], str) else []))
