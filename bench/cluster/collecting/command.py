"""The merge as a whole, and what it comes to in numbers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.cluster.collecting.arriving import bring_superseded, replaced, sweep, write, write_frame
from bench.cluster.collecting.disputes import settle
from bench.cluster.collecting.folders import distinct, make, one_spec, reading, same_folder, writing
from bench.cluster.collecting.found import Found
from bench.cluster.collecting.judging import Step, judge, judge_tables, read_places
from bench.cluster.collecting.superseded import Superseded

BATCH = 1000  # places between two flushes to the disk, so all that a kill leaves to repeat


@dataclass(frozen=True)
class Collected:
    """What was merged, in numbers; as text, the lines that `bench collect` prints."""

    out: Path
    n_read: Counter[Path]
    n_without_arrays: Counter[Path]
    n_alike: int
    n_decided: int
    n_aside: int
    n_passed_over: int
    n_new: int
    n_all: int

    def __str__(self) -> str:
        lines = []
        for folder, n in self.n_read.items():
            bare = self.n_without_arrays[folder]
            lines.append(f"{folder}: {n} records" + (f", {bare} ok without arrays" if bare else ""))
        lines += [
            f"{self.n_alike} the same in several, {self.n_decided} where another was kept, "
            f"{self.n_passed_over} unavailable or cut short where another has a result; "
            f"{self.n_aside} set aside in cells/superseded",
            f"{self.out}: {self.n_all} records, {self.n_new} of them new",
        ]
        return "\n".join(lines)


def collect(
    sources: Sequence[Path], out: Path, keep: Sequence[Path] = (), *, live: bool = False
) -> Collected:
    """Merge output folders into `out`, which is new or an output folder of the same spec.

    Args:
        keep: folders whose records count where records are in dispute, the first before the next.
        live: take what is finished from folders that a run is writing to.

    Raises:
        BenchError: other specs, broken records, disputes, a folder in use. Nothing is written then.
    """
    try:
        return _collect(distinct(sources, out), out, keep, live)
    except FileNotFoundError as error:  # a run in a source has set a record aside
        raise replaced(str(error.filename)) from error


def _collect(sources: list[Path], out: Path, keep: Sequence[Path], live: bool) -> Collected:
    known = [out, *sources]
    keep = [same_folder(folder, known) for folder in keep]
    is_new = not out.exists()
    folders = sources if is_new else known
    with ExitStack() as locks:
        if not is_new:
            locks.enter_context(writing(out))
        for source in sources:
            locks.enter_context(reading(source, live))
        text = one_spec([folder for folder in folders if (folder / "spec.toml").is_file()])
        superseded = Superseded(out)
        places = list(read_places(folders).values())
        steps, disputes = judge(places, out, keep, superseded)
        tables, other_tables = judge_tables(folders, keep)
        settle(disputes, other_tables, folders)
        if is_new:
            make(out)
            locks.enter_context(writing(out))
        try:
            write_frame(folders, out, text, tables)
            for start in range(0, len(steps), BATCH):
                write(steps[start : start + BATCH], out, superseded)
            bring_superseded(sources, superseded)
        finally:
            sweep(out)
    return _collected(folders, out, steps, places, len(superseded))


def _collected(
    folders: Sequence[Path],
    out: Path,
    steps: list[Step],
    places: Iterable[list[Found]],
    n_aside: int,
) -> Collected:
    n_alike = n_passed_over = 0
    n_read, n_without_arrays = Counter(dict.fromkeys(folders, 0)), Counter[Path]()
    for step, some in zip(steps, places, strict=True):
        n_read.update(found.folder for found in some)
        n_without_arrays.update(f.folder for f in some if f.is_ok and f.arrays is None)
        n_alike += sum(f.key == step.winner.key for f in some if f.is_result) > 1
        n_passed_over += sum(not f.is_result for f in some) if step.winner.is_result else 0
    return Collected(
        out,
        n_read,
        n_without_arrays,
        n_alike,
        n_decided=sum(any(found.is_result for found in step.aside) for step in steps),
        n_aside=n_aside,
        n_passed_over=n_passed_over,
        n_new=sum(step.own is None for step in steps),
        n_all=len(steps),
    )
