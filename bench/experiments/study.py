"""Does the check find what it should, and nothing else? Many checks with a known answer.

    python -m bench.experiments.study run [KIND ...] [--runs 20] [--out DIR]
    python -m bench.experiments.study summary [--out DIR]

One file a check, as it ends: stopped and started again, it does what is missing.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedWriter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from bench.errors import unknown
from bench.experiments import injections
from bench.experiments.engine.statistics import table
from bench.regress.check import check
from bench.regress.command import failure
from bench.regress.settings import Settings
from bench.store.store import write_atomically

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
OUT = Path("results/regress_study")
Out = Annotated[Path, typer.Option(help="A folder for one file a check.")]

# Somebody else on the other cores: bursts of arithmetic and of memory traffic, and pauses.
LOAD = """
import os, random, sys, time
import numpy as np
os.sched_setaffinity(0, {int(sys.argv[1])})
os.nice(19)
block, matrix, parent = np.ones(1 << 23), np.ones((300, 300)), os.getppid()
while os.getppid() == parent:  # a study that is killed leaves no load behind
    until = time.monotonic() + random.uniform(0.1, 2.0)
    work = random.choice([lambda: block.copy(), lambda: matrix @ matrix, lambda: time.sleep(0.1)])
    while time.monotonic() < until:
        work()
"""


@dataclass(frozen=True)
class Kind:
    """Checks with the same answer.

    Args:
        head: makes the commit to check against HEAD.
        asked: what is asked of so many runs.
        rows: what has to be found, each in a row of its own.
        ratio: how much slower these rows truly are; None where nothing is slowed.
        whole: whether every row is measured, or only what has to be found.
        loaded: whether something else keeps the other cores busy.
    """

    head: Callable[[], str]
    asked: str
    rows: tuple[str, ...] = ()
    ratio: float | None = None
    whole: bool = False
    loaded: bool = False

    @property
    def measured(self) -> tuple[str, ...]:
        """What to measure; empty is everything."""
        return () if self.whole else self.rows


KINDS = {
    "aa": Kind(
        partial(injections.resolve, "HEAD"), "at most 1 false regression in 40, with aa_loaded"
    ),
    "aa_loaded": Kind(partial(injections.resolve, "HEAD"), "", loaded=True),
    "slower_20": Kind(
        lambda: injections.slowdown(0.20), "19 of 20 each", ("fold", "train_patch"), 1.20
    ),
    "slower_10": Kind(
        lambda: injections.slowdown(0.10), "15 of 20 each", ("fold", "train_patch"), 1.10
    ),
    "slower_20_whole": Kind(
        lambda: injections.slowdown(0.20), "found", ("fold", "train_patch"), 1.20, whole=True
    ),
    "harmless": Kind(injections.harmless, "no false regression"),
    "extra_copy": Kind(injections.extra_copy, "every time", ("fold", "convert")),
    "broken_head": Kind(injections.broken, "exit code 2"),
    "broken_install": Kind(injections.not_installable, "exit code 2"),
}


@app.command()
def run(
    kinds: Annotated[list[str] | None, typer.Argument(help="All if left out.")] = None,
    runs: Annotated[int, typer.Option(help="Checks of each kind.")] = 20,
    core: Annotated[int | None, typer.Option(help="The core to measure on.")] = None,
    out: Out = OUT,
) -> None:
    """Run what is missing, the kinds in turn."""
    for name in kinds or ():
        if name not in KINDS:
            raise unknown(name, "kind", KINDS)
    out.mkdir(parents=True, exist_ok=True)
    for number in range(runs):
        for name in kinds or KINDS:
            path = out / f"{name}_{number:02d}.json"
            if path.exists():
                continue
            found = one(KINDS[name], Settings(core=core, rows=KINDS[name].measured))
            text = json.dumps({"kind": name, "run": number, **found}) + "\n"
            write_atomically(path, partial(_write, text.encode()))
            sys.stdout.write(f"{path.stem}: {found['verdict']} in {found.get('seconds')} s\n")
            sys.stdout.flush()


def _write(content: bytes, file: BufferedWriter) -> None:
    file.write(content)


def one(kind: Kind, settings: Settings) -> dict[str, Any]:
    """A verdict as it would be written; "failed" with the reason where the check failed."""
    head = kind.head()
    with other_load(settings.core, kind.loaded):
        try:
            return check("HEAD", head, settings).to_dict()
        except Exception as error:  # as the command line: any error is a check that failed
            return failure(error)


@contextmanager
def other_load(core: int | None, loaded: bool) -> Iterator[None]:
    """Inside, every core but the measured one is busy with something else."""
    cores = sorted(os.sched_getaffinity(0))
    measured = max(cores) if core is None else core
    busy = [c for c in cores if c != measured] if loaded else []
    started = [subprocess.Popen([sys.executable, "-c", LOAD, str(c)]) for c in busy]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


@app.command()
def summary(out: Out = OUT) -> None:
    """What was asked beside what was found."""
    sys.stdout.write(summarise(read(out)) + "\n")


def read(out: Path) -> dict[str, list[dict[str, Any]]]:
    """The verdicts by kind."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in KINDS}
    for path in sorted(out.glob("*.json")):
        record = json.loads(path.read_text())
        found[record["kind"]].append(record)
    return found


def summarise(found: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: verdicts of each kind, what was found in which row, and its measured size."""
    lines: list[list[object]] = []
    for name, verdicts in found.items():
        if not verdicts:
            continue
        words = [v["verdict"] for v in verdicts]
        counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(sorted(words)))
        seconds = [v["seconds"] for v in verdicts if "seconds" in v]
        took = f"{np.median(seconds):.0f} (most {max(seconds):.0f})" if seconds else ""
        kind = KINDS[name]
        details = [_found(row, kind, verdicts) for row in kind.rows]
        lines.append([name, len(verdicts), kind.asked, counts, "; ".join(details), took])
    head = ("kind", "runs", "asked", "verdicts", "found, and its size", "seconds a check")
    return table(head, lines)


def _found(row: str, kind: Kind, verdicts: list[dict[str, Any]]) -> str:
    n = len(verdicts)
    if kind.ratio is None:
        risen = [v for v in verdicts if v["exit_code"] == 1]
        seen = sum(any(rise.startswith(f"{row}.") for rise in v["rises"]) for v in risen)
        return f"{row}: {seen} of {n}"
    seen = sum(v["exit_code"] == 1 and row in v["slower"] for v in verdicts)
    sizes = [_ratio(v["rows"][row]) for v in verdicts if "rows" in v]
    if not sizes:
        return f"{row}: {seen} of {n}, nothing measured"
    near = sum(abs(size - kind.ratio) <= 0.05 for size in sizes)
    return (
        f"{row}: {seen} of {n}, measured {100 * (np.median(sizes) - 1):.1f}% "
        f"({100 * (min(sizes) - 1):.1f}..{100 * (max(sizes) - 1):.1f}; {near} within 5 points)"
    )


def _ratio(row: dict[str, Any]) -> float:
    return float((row["again"] or row["first"])["ratio"])


if __name__ == "__main__":
    app()
