"""Times count only for cells that ran alone, and separately for each machine."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from bench.commands.comparison import compare_results, judge_differences
from bench.errors import BenchError
from bench.machine.environment import hardware, sharing_reasons
from bench.store.store import Store
from reports import terminal
from reports.aggregate import columns, results_frame
from reports.figures.plans import plan_figures
from reports.machines import letters
from reports.page import interactive, sections
from reports.results import Results
from reports.tables.accuracy import accuracy
from reports.tables.markup import csv, markdown
from reports.tables.measures import timing
from reports.tables.needs import needs
from reports.topics import Folder

REASON = "cores: 3 cells side by side on 2 cores"
OTHER = {"cpu": "Another CPU", "cpu_features": ["avx2"]}
Change = dict[str, Any]


@pytest.fixture
def store_of(tmp_path: Path, make_cell: Callable) -> Callable[..., Store]:
    """Make a store of one dataset from changes to the records of (method, seed)."""

    def make(cells: dict[tuple[str, int], Change], name: str = "store") -> Store:
        store = Store(tmp_path / name)
        store.create()
        for (method, seed), change in cells.items():
            record, _ = make_cell("nihs", method, seed)
            record = record | {"environment": record["environment"] | change.get("where", {})}
            if "train" in change:
                record["phases"] = {**record["phases"], "train": {"seconds": change["train"]}}
            more = {k: v for k, v in change.items() if k not in ("where", "train")}
            store.put(record | more)
        return store

    return make


def texts(view: Any) -> dict[str, list[str]]:
    """Method -> the texts of its row in the first block."""
    return {row[0].text: [cell.text for cell in row[1:]] for row in view.blocks[0].rows}


def test_a_shared_cell_leaves_the_times_and_the_note_says_so(store_of: Callable) -> None:
    store = store_of(
        {
            ("deepmapper", 0): {"shared": [], "train": 10.0},
            ("deepmapper", 1): {"shared": [REASON], "train": 90.0},
            ("logistic", 0): {"shared": [REASON, "GPU: 2 cells side by side on 1"]},
            ("majority", 0): {"shared": []},
        }
    )
    results = Results.read(store)
    group = results.group("nihs", "deepmapper")
    assert group is not None
    assert group.values("train_seconds") == [10.0]
    assert len(group.values("accuracy")) == 2
    assert len(group.values("peak_host_mib")) == 2  # memory is a cell's own
    for view in (timing(results), needs(results)):
        assert "Without the seconds of 2 ok cells of 4" in view.reading
        assert f"{REASON}: 2 cells; GPU: 2 cells side by side on 1: 1 cell" in view.reading
    assert "Without" not in accuracy(results).reading
    view = timing(results)
    rows = texts(view)
    assert rows["logistic"][:3] == ["shared"] * 3
    assert rows["deepmapper"][1] == "10.0"
    assert any("1 of 2 ok cells" in note for note in view.footnotes)
    assert texts(needs(results))["logistic"] == ["shared"]
    of_logistic = next(row for row in needs(results).blocks[0].rows if row[0].text == "logistic")
    assert of_logistic[1].detail.startswith("CPU 360 s, ")  # CPU time is the cell's own
    assert "n_shared" in csv(view).splitlines()[0]
    assert {p["method"] for p in interactive.points(results)} == {"deepmapper", "majority"}
    assert any("Without the seconds" in text for text in sections.left_out(results, []))
    remarks = {cell["method"]: cell["remark"] for cell in sections.cell_rows(results)}
    assert (remarks["logistic"], remarks["majority"]) == ("shared", "")
    plans = plan_figures(results)
    assert len(plans) == 12
    for plan in plans:
        is_timed = plan.name in ("time", "accuracy_vs_time")
        assert ("Without the seconds" in plan.caption) == is_timed


def test_times_of_two_machines_are_not_mixed(store_of: Callable) -> None:
    store = store_of(
        {
            ("deepmapper", 0): {"train": 10.0},
            ("deepmapper", 1): {"train": 12.0},
            ("deepmapper", 2): {"train": 99.0, "where": OTHER | {"machine": "00c0ffee"}},
            ("logistic", 0): {"train": 1.0},
            ("majority", 0): {"where": OTHER | {"machine": "0badcafe"}},
        }
    )
    results = Results.read(store)
    group = results.group("nihs", "deepmapper")
    assert group is not None
    assert group.values("train_seconds") == [10.0, 12.0]
    assert [part.machine for part in group.parts] == ["A", "B"]
    view = timing(results)
    assert view.blocks[0].columns[1].header == "Machine"
    rows = [[cell.text for cell in row[:4]] for row in view.blocks[0].rows]
    of_deepmapper = [(row[1], row[3]) for row in rows if row[0] == "deepmapper"]
    assert of_deepmapper == [("A", "11.0"), ("B", "99.0")]
    legend = "B is Another CPU with avx2, 2 cores, 1 thread a cell, no GPU (2 cells on 2 machines)"
    for timed in (view, needs(results)):
        assert legend in timed.reading
        assert "A is A made-up CPU (instructions not recorded)" in timed.reading
        assert "machine" in csv(timed).splitlines()[0].split(",")
    assert "Machine" not in markdown(accuracy(results))
    labels = {point["dataset"] for point in interactive.points(results)}
    assert labels == {"nihs, machine A", "nihs, machine B"}
    names = [plan.name for plan in plan_figures(results)]
    first = names.index("time")
    timed = ["time", "time_B", "accuracy_vs_time", "accuracy_vs_time_B"]
    assert names[first : first + 4] == timed
    on_b = results.of_machine("B")
    assert set(on_b.frame["machine"]) == {"B"}
    seconds = [group.total_seconds for group in on_b.groups("nihs")]
    assert max(second for second in seconds if second is not None) > 99.0
    assert {machine.letter for machine in sections.machines(results)} == {"A", "B"}
    text = printed(terminal.comparison(results_frame(store)))
    assert "machines A, B" in text


def test_one_machine_is_not_named(store_of: Callable) -> None:
    store = store_of(
        {("logistic", i): {"shared": [], "where": {"machine": f"{i:08x}"}} for i in range(2)}
    )
    results = Results.read(store)
    assert results.times_note == ""
    assert [c.header for c in timing(results).blocks[0].columns][:2] == ["Method", "Conversion (s)"]
    assert "machine" not in csv(timing(results)).splitlines()[0]
    (machine,) = sections.machines(results)
    assert (machine.n_cells, machine.letter, machine.facts[0]) == (2, "", ("Machines", "2"))


def test_the_frame_has_both_after_the_older_columns(store_of: Callable) -> None:
    changes = {("logistic", 0): {"shared": [REASON, "x"]}, ("majority", 0): {"where": OTHER}}
    frame = results_frame(store_of(changes)).set_index("method")
    assert list(columns())[-2:] == ["shared", "machine"]
    assert frame.at["logistic", "shared"] == f"{REASON}; x"
    assert pd.isna(frame.at["majority", "shared"])
    assert sorted(frame["machine"]) == ["A", "B"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"jobs": 4}, ["cores: 4 cells of 1 threads side by side on 2 cores"]),
        ({"jobs": 1, "threads": 2}, []),
        ({"jobs": None, "threads": None}, []),
        ({"environment": None, "jobs": 4}, []),
        ({"device": "cuda"}, ["GPU: 2 cells side by side on 1"]),
        ({"jobs": 4, "shared": []}, []),
        ({"shared": [REASON]}, [REASON]),
    ],
)
def test_older_records_are_classified_by_their_threads(
    make_cell: Callable, change: Change, expected: list[str]
) -> None:
    record, _ = make_cell("nihs", "logistic", 0)
    assert sharing_reasons(record | change) == expected


def test_the_machine_with_most_cells_is_a(make_cell: Callable) -> None:
    record, _ = make_cell("nihs", "logistic", 0)
    other = hardware(record | {"threads": 2})
    assert letters([other, hardware(record), hardware(record)]) == {
        hardware(record): "A",
        other: "B",
    }
    many = letters(other._replace(n_cpus=i) for i in range(30))
    assert list(many.values())[24:28] == ["Y", "Z", "AA", "AB"]


def printed(table: Any) -> str:
    file = io.StringIO()
    Console(file=file, width=160, color_system=None).print(table)
    return file.getvalue()


def test_compare_counts_the_phases_that_tables_of_times_count(store_of: Callable) -> None:
    """Phases of the harness differ a hundredfold. The ratio is that of the total seconds."""
    counted = {"convert_fit": 1.0, "convert_train": 2.0, "train": 3.0, "convert_test": 1.0}
    others = {
        "load": 9.0,
        "warm_up": 9.0,
        "predict_train": 9.0,
        "test_curve": 9.0,
        "attribute": 9.0,
    }

    def cell(factor: float, of_others: float) -> dict[str, Any]:
        seconds = {name: value * factor for name, value in (counted | {"predict": 0.5}).items()}
        seconds |= {name: value * of_others for name, value in others.items()}
        return {"phases": {name: {"seconds": value} for name, value in seconds.items()}}

    before = store_of({("logistic", 0): cell(1, 1)})
    after = store_of({("logistic", 0): cell(2, 100)}, "after")
    assert " 2.00 " in printed(compare_results(Folder(before), Folder(after)))
    totals = []
    for store in (before, after):
        group = Results.read(store).group("nihs", "logistic")
        assert group is not None
        totals.append(group.total_seconds)
    assert totals == [7.5, 15.0]


def test_seconds_and_memory_of_a_cell_cover_the_same_phases(store_of: Callable) -> None:
    mib = {"load": 900.0, "convert_fit": 10.0, "train": 30.0, "predict": 20.0, "attribute": 800.0}
    phases = {name: {"seconds": 1.0, "peak_host_mib": value} for name, value in mib.items()}
    frame = results_frame(store_of({("logistic", 0): {"phases": phases}}))
    assert frame["peak_host_mib"].tolist() == [30.0]


@pytest.mark.parametrize(
    ("change", "ratio"),
    [
        ({}, "2.00"),
        ({"where": OTHER}, "other machine"),
        ({"threads": 2, "jobs": 1}, "other threads"),
        ({"shared": [REASON]}, "shared"),
    ],
)
def test_compare_has_a_ratio_only_for_equal_conditions(
    store_of: Callable, change: Change, ratio: str
) -> None:
    phases = {"phases": {"train": {"seconds": 1.0}}}
    twice = {"phases": {"train": {"seconds": 2.0}}}
    before = store_of({("logistic", 0): phases, ("majority", 0): phases, ("majority", 1): phases})
    cells = {("logistic", 0): twice | change, ("majority", 0): twice | change}
    after = store_of(cells | {("majority", 1): twice}, "after")
    lines = printed(compare_results(Folder(before), Folder(after))).splitlines()
    of_method = {
        name: next(line for line in lines if name in line).rstrip(" │┃")
        for name in ("logistic", "majority")
    }
    assert of_method["logistic"].endswith(f" {ratio}")
    of_two = "2.00" if ratio == "2.00" else "2.00 (1/2)"
    assert of_method["majority"].endswith(f" {of_two}")


def test_compare_counts_differences_beyond_the_noise_of_replicates(store_of: Callable) -> None:
    """Two entries of one method differ by 0.02 and by 0.04 on the same rows."""

    def cell(value: float, replicate: int) -> Change:
        method = {"name": "mlp", "label": f"mlp {replicate}", "params": {}, "replicate": replicate}
        return {"metrics": {"balanced_accuracy": value}, "method": method}

    def result(*values: float, name: str) -> Folder:
        methods = ("logistic", "majority", "random_forest")
        cells = {
            (m, 0): {"metrics": {"balanced_accuracy": v}}
            for m, v in zip(methods, values, strict=True)
        }
        again = {
            (("deepmapper", "deepmapper_published")[replicate], seed): cell(value, replicate)
            for seed, pair in enumerate([(0.80, 0.82), (0.86, 0.90)])
            for replicate, value in enumerate(pair)
        }
        return Folder(store_of(cells | (again if name == "before" else {}), name))

    before = result(0.9, 0.5, 0.7, name="before")
    after = result(0.9, 0.53, 0.8, name="after")
    assert list(judge_differences(before, after)) == [
        "0 of 0 cells have identical predictions",
        "3 ok cells have no stored predictions",
        "0 of 3 cells have another status",
        "largest difference in balanced accuracy: 0.1000 (nihs / random_forest / seed 0)",
        "1 of 3 cells differ by more than 0.0390, the 95th percentile of 2 differences between "
        "replicates of a method",
    ]
    assert "no replicates" in list(judge_differences(after, before))[-1]


def test_compare_leaves_out_cells_of_other_tables(store_of: Callable) -> None:
    def of_table(checksum: str) -> Change:
        return {"dataset": {"name": "nihs", "label": "nihs [x]", "checksum": checksum}}

    one, two = ("logistic", 0), ("majority", 0)
    before = Folder(store_of({one: of_table("a"), two: of_table("a")}))
    after = Folder(store_of({one: of_table("b"), two: of_table("a")}, "after"))
    table = printed(compare_results(before, after))
    assert "majority" in table
    assert "logistic" not in table
    assert "nihs [x]" in table
    assert "1 of 2 cells left out: their tables differ" in list(judge_differences(before, after))
    other = Folder(store_of({one: of_table("b")}, "other"))
    with pytest.raises(BenchError, match="no cell of the same table in common"):
        compare_results(before, other)
