"""The parts of the page besides tables of numbers and figures."""

import json
import re
import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from bench.machine.environment import Hardware, hardware
from bench.metrics import MAIN
from reports import units
from reports.figures.plans import Plan
from reports.results import Results, cells_of
from reports.units import counted

# Limits that keep the page small.
TRACE_CHARACTERS = 6000  # of the end of a traceback
MOST_FAILURES = 500
MOST_MISSING = 200  # pairs of method and dataset that were not run
MOST_CELLS = 2000


@dataclass(frozen=True)
class Machine:
    """An environment and the number of cells that ran in it."""

    facts: list[tuple[str, str]]
    packages: list[tuple[str, str]]
    n_cells: int
    letter: str = ""  # of its kind, if there are several


def summary(results: Results) -> str:
    """Return the numbers of cells, datasets, methods and seeds, outcomes and CPU hours."""
    counts = Counter(str(status) for status in results.frame["status"])
    if not counts:
        return "This store holds no cells yet: there is nothing to show."
    outcomes = ", ".join(f"{n} {units.status_words(status)}" for status, n in counts.most_common())
    n_seeds = results.frame["seed"].nunique()
    sizes = {"dataset": len(results.datasets), "method": len(results.methods), "seed": n_seeds}
    listed = ", ".join(counted(n, noun) for noun, n in sizes.items())
    seconds = results.frame["cpu_seconds"]
    hours = f" {units.number(seconds.sum() / 3600)} CPU hours." if seconds.notna().any() else ""
    return f"{counted(len(results.frame), 'cell')} ({listed}): {outcomes}.{hours}"


def dates(results: Results) -> str:
    started = [r["started"] for r in results.records.values() if r.get("started")]
    finished = [r["finished"] for r in results.records.values() if r.get("finished")]
    if not started or not finished:
        return ""
    first, last = (time[:16].replace("T", " ") for time in (min(started), max(finished)))
    return f"Run from {first} to {last} (UTC)."


def machines(results: Results) -> list[Machine]:
    """Return each distinct environment, the one with most cells first.

    Machines that differ only in their anonymous ids are one.
    """
    counts: Counter[str] = Counter()
    ids: dict[str, set[str]] = defaultdict(set)
    for record in results.records.values():
        described = {
            **(record.get("environment") or {}),
            **{name: record.get(name) for name in ("device", "threads", "jobs")},
        }
        name = described.pop("machine", None)
        text = json.dumps(described, sort_keys=True)
        counts[text] += 1
        ids[text] |= {name} if name else set()
    letters = {kind.hardware: kind.letter for kind in results.machines}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [_machine(json.loads(text), n, len(ids[text]), letters) for text, n in ordered]


def _machine(
    facts: dict[str, Any], n_cells: int, n_machines: int, letters: dict[Hardware, str]
) -> Machine:
    commit = str(facts.get("commit") or "unknown")[:12]
    changed = " with uncommitted changes" if facts.get("dirty") else ""
    memory = facts.get("memory_mib")
    cores = counted(facts.get("n_cpus"), "core")
    jobs, threads = facts.get("jobs") or 1, facts.get("threads") or 1
    shown = [
        ("Processor", f"{facts.get('cpu') or 'unknown'}, {cores}"),
        ("Memory", f"{memory / 1024:.1f} GiB" if memory else "unknown"),
        ("GPU", str(facts.get("gpu") or "none")),
        ("Device used", str(facts.get("device") or "unknown")),
        ("Side by side", f"{counted(jobs, 'cell')}, {counted(threads, 'thread')} each"),
        ("Platform", str(facts.get("platform") or "unknown")),
        ("Python", str(facts.get("python") or "unknown")),
        ("Commit", commit + changed),
    ]
    if n_machines > 1:
        shown.insert(0, ("Machines", str(n_machines)))
    letter = letters[hardware({"environment": facts, "threads": facts.get("threads")})]
    packages = sorted((facts.get("packages") or {}).items())
    return Machine(shown, packages, n_cells, letter if len(letters) > 1 else "")


def title(results: Results) -> str:
    folder = results.source.folder.resolve()
    spec = folder / "spec.toml"
    return str(tomllib.loads(spec.read_text())["name"]) if spec.is_file() else folder.name


def data_rows(results: Results) -> list[dict[str, Any]]:
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
    """Return the parameters that the cells share, and the names of the others."""
    texts = []
    for name, value in of_cells[0].items():
        if any(params.get(name) != value for params in of_cells):
            texts.append(f"{name} = that of the cell")
        elif value is not None:
            texts.append(f"{name} = {value}")
    return ", ".join(texts)


def failures(results: Results) -> list[dict[str, Any]]:
    """Return cells that are not ok, at most `MOST_FAILURES`, with their reasons."""
    failed = results.frame[results.frame["status"] != "ok"]
    records = [results.records[key] for key in failed["key"][:MOST_FAILURES]]
    return [
        {
            "dataset": record["dataset"]["label"],
            "method": record["method"]["label"],
            "seed": record["seed"],
            "status": units.status_words(record["status"]),
            "reason": record.get("reason") or "no reason was recorded",
            "seconds": record.get("wall_seconds"),
            "traceback": without_folders((record.get("traceback") or "")[-TRACE_CHARACTERS:]),
        }
        for record in records
    ]


def without_folders(trace: str) -> str:
    """Cut the paths of a traceback: the folder of a checkout is private."""
    return re.sub(r'File "(?:[^"]*/)?([^"/]+/[^"/]+/[^"/]+)"', r'File "…/\1"', trace)


def left_out(results: Results, drawn: list[Plan]) -> list[str]:
    """Return the figures, panels, scores and cells that the page lacks, with reasons."""
    texts = [f"Figure “{figure.title}”: {figure.note}" for figure in drawn if figure.note]
    if results.times_note:
        texts.append(f"Times: {results.times_note.strip()}")
    dead = [row["label"] for row in data_rows(results) if not row["alive"]]
    if dead:
        texts.append(f"Figures show no panel for {', '.join(dead)}: no cell there is ok.")
    unknown = [d for d in results.datasets if not results.dataset_facts(d).get("relevant")]
    if unknown:
        texts.append(
            f"Attribution is not scored on {', '.join(unknown)}: "
            "the features that matter there are not known."
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
        texts.append(f"Not run: {', '.join(missing[:MOST_MISSING])}{rest}.")
    for noun, n, most in (
        ("failures", int((results.frame["status"] != "ok").sum()), MOST_FAILURES),
        ("cells", len(results.frame), MOST_CELLS),
    ):
        if n > most:
            texts.append(f"Of {n:,} {noun}, {most:,} are listed: results.parquet has all.")
    return texts


def cell_rows(results: Results) -> list[dict[str, Any]]:
    """Return one row a cell, at most `MOST_CELLS`. Its key names its files.

    `remark` is the reason why its seconds do not compare with those of other cells.
    """
    several = len(results.machines) > 1
    rows = []
    for cell in cells_of(results.frame[:MOST_CELLS]):
        machine = [f"machine {cell['machine']}"] if several else []
        rows.append(
            {
                "key": cell["key"],
                "dataset": cell["dataset_label"],
                "method": cell["method_label"],
                "seed": cell["seed"],
                "status": cell["status"],
                "accuracy": cell[MAIN],
                "seconds": cell["wall_seconds"],
                "remark": ", ".join(machine + (["shared"] if cell["shared"] else [])),
            }
        )
    return rows
