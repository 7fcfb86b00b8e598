"""The exhibits of the paper, generated from a small run of real cells."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.metrics import version
from bench.spec import load_spec, parse_spec
from bench.store.store import Store
from reports.figures.style import COLUMN, PRINT, style
from reports.paper import labels
from reports.paper.build import EXHIBITS, build, marked
from reports.paper.evidence import Evidence
from reports.paper.exhibit import Exhibit
from reports.paper.needles import consensus, passes
from reports.paper.table2 import table2
from reports.publish import publish

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "reports" / "published" / "paper"
SPEC = f"""
name = "paper_tiny"
jobs = 2
test_fraction = 0.1  # the notebooks attribute over all test rows

[[experiments]]
name = "digits in place of MNIST"
datasets = [
    {{name = "digits", label = "{labels.MNIST}"}},
    {{name = "shuffled_mnist", label = "{labels.SHUFFLED}", params = {{base = "digits"}}}},
]
methods = [
    {{name = "deepmapper_notebook", label = "faithful", params = {{notebook = "mnist", epochs = 1, keep_epochs = true}}}},
    {{name = "deepmapper_published", label = "corrected", params = {{backbone = "cnn_small", training = "engine", epochs = 2, keep_epochs = true}}}},
    {{name = "deepmapper", label = "best", params = {{passes = 1, epochs = 2, keep_epochs = true, plain = []}}}},
]

[[experiments]]
name = "needles, the notebook"
seeds = [0, 1]
split = "random"
datasets = [{{name = "nihs", label = "{labels.NIHS_NOTEBOOK}", params = {{n_samples = 200, n_features = 100, needles = "random"}}}}]
methods = [{{name = "deepmapper_notebook", label = "faithful", params = {{epochs = 1}}}}]

[[experiments]]
name = "needles"
datasets = [{{name = "nihs", label = "{labels.NIHS}", params = {{n_samples = 200, n_features = 100, needles = "random"}}}}]
methods = [
    {{name = "deepmapper_published", label = "corrected", params = {{training = "engine", epochs = 1}}}},
    {{name = "deepmapper", label = "best", params = {{passes = 1}}}},
    "stump",
    "majority",
]

[[experiments]]
name = "growth"
datasets = [
    {{name = "expression", label = "expression, 32 x 32", params = {{n_samples = 80, n_features = 256, n_classes = 3}}}},
    {{name = "expression", label = "expression, 64 x 64", params = {{n_samples = 80, n_features = 1024, n_classes = 3}}}},
]
methods = [{{name = "mlp", params = {{epochs = 1}}}}, {{name = "deepmapper", label = "best", params = {{passes = 1, epochs = 1}}}}]
"""  # noqa: E501


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with its paper built."""
    folder = tmp_path_factory.mktemp("paper")
    (folder / "tiny.toml").write_text(SPEC)
    out = folder / "out"
    command = [sys.executable, "-m", "bench", "run", folder / "tiny.toml", "--no-report"]
    completed = subprocess.run([*command, "--out", out], cwd=ROOT, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
    statuses = {record["status"] for record in Store(out).records()}
    assert statuses == {"ok"}
    build(out)
    return out


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the folder that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "paper").rglob("*"))
        if path.is_file()
    }


def test_the_profiles_have_the_labels_of_the_exhibits() -> None:
    for name in ("paper", "paper_small"):
        spec, _ = load_spec(name)
        tables = {choice.label for grid in spec.grids() for choice in grid.datasets}
        wanted = {labels.MNIST, labels.SHUFFLED, labels.NIHS_NOTEBOOK, labels.NIHS, labels.TCGA}
        assert wanted | {labels.NIHS_RANDOM, labels.EXPRESSION} <= tables
        assert len(tables & set(labels.GROWTH)) >= 3
        methods = {choice.label for grid in spec.grids() for choice in grid.methods}
        own = {labels.FAITHFUL, labels.CORRECTED, labels.BEST, labels.DEEPER, labels.VIT}
        own |= {labels.RETNET, labels.MLP, labels.CNN1D, labels.DEEPINSIGHT}
        own |= {labels.DEEPINSIGHT_EQUAL, labels.LSTM, labels.TRANSFORMER}
        own |= set(labels.ON_TRUE_GRID.values())
        own |= {labels.DEEPINSIGHT_PUBLISHED} if name == "paper" else set()  # its 100 epochs
        assert own | set(labels.PLAIN) <= methods


@pytest.mark.parametrize(
    ("seeds", "text", "expected"),
    [
        ((0, 1), 'description = "another"', True),
        ((0,), "", False),  # bench run paper --seeds 0
        ((0, 1), "test_fraction = 0.5", False),
    ],
)
def test_full_size_is_every_cell_of_the_spec(
    seeds: tuple[int, ...], text: str, expected: bool
) -> None:
    spec = 'name = "paper"\nseeds = [0, 1]\ndatasets = ["digits"]\nmethods = ["majority"]\n'
    labels = {"dataset": {"label": "digits"}, "method": {"label": "majority"}}
    results = SimpleNamespace(records={str(seed): {**labels, "seed": seed} for seed in seeds})
    evidence = Evidence(results, parse_spec(spec + text, "t"), parse_spec(spec, "t"))  # type: ignore[arg-type]
    assert evidence.is_full_size is expected


@pytest.mark.slow
def test_exhibits_name_parameters_below_full_size(finished: Path) -> None:
    evidence = Evidence.read(finished)
    assert evidence.smaller(labels.NIHS)["n_samples"] == "200 for 10,000"
    assert evidence.smaller(labels.NIHS, labels.CORRECTED)["epochs"] == "1 for 15"
    table = (finished / "paper" / "tables" / "table2.md").read_text()
    assert "smaller than at full size: " in table
    ranges = (finished / "paper" / "tables" / "table1.md").read_text()
    assert "NIHS of Table 1 is smaller than at full size: " in ranges
    assert "This is not the full size" in (finished / "paper" / "index.html").read_text()


@pytest.mark.slow
def test_a_published_run_gives_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    target = tmp_path / "published"
    publish(finished, target, "make paper")
    assert {path.name for path in target.glob("*.png")} == {
        path.name for path in (finished / "paper" / "figures").glob("*.png")
    }
    build(target, tmp_path / "out")
    assert files(tmp_path / "out") == files(finished)


@pytest.mark.slow
def test_a_changed_cell_changes_the_table(copy: Path, put_again: Callable) -> None:
    store = Store(copy)
    record = next(
        r
        for r in store.records()
        if (r["dataset"]["label"], r["method"]["label"]) == (labels.NIHS, "stump")
    )
    assert record["metrics"]["accuracy"] == 1.0
    record["metrics"]["accuracy"] = 0.875
    record["metrics_version"] = version()
    put_again(store, record)
    before = files(copy)
    build(copy)
    after = files(copy)
    changed = {name for name in before if before[name] != after[name]}
    assert {f"paper/tables/{name}" for name in ("table2.md", "table2.tex", "claims.md")} <= changed
    assert "paper/figures/fig3.png" not in changed
    assert "0.875" in after["paper/tables/table2.md"].decode()
    assert record["key"][:8] in after["paper/tables/table2.md"].decode()


@pytest.mark.slow
def test_every_exhibit_is_drawn_or_names_its_missing_data(finished: Path) -> None:
    evidence = Evidence.read(finished)
    exhibits = {exhibit.name: exhibit for exhibit in (make(evidence) for make in EXHIBITS)}
    lacking = {name for name, exhibit in exhibits.items() if exhibit.missing}
    assert lacking == {"fig1", "fig2", "fig6"}  # TCGA was not run
    keys = {record["key"] for record in Store(finished).records()}
    for exhibit in exhibits.values():
        assert set(exhibit.cells) <= keys
        assert exhibit.missing or exhibit.cells
        if exhibit.figure is not None:
            caption = (finished / "paper" / "figures" / f"{exhibit.name}.txt").read_text()
            assert all(key[:8] in caption for key in exhibit.cells)
            for kind in ("png", "svg", "pdf"):
                path = finished / "paper" / "figures" / f"{exhibit.name}.{kind}"
                assert path.stat().st_size > 1000


@pytest.fixture(scope="module")
def published() -> dict[str, Exhibit]:
    """The exhibits of the published run, drawn from its cells."""
    evidence = Evidence.read(PUBLISHED)
    with style(PRINT):
        exhibits = [marked(evidence, make(evidence)) for make in EXHIBITS]
    return {exhibit.name: exhibit for exhibit in exhibits}


def test_figures_can_be_read_in_a_column(
    published: dict[str, Exhibit], assert_printable: Callable
) -> None:
    figures = {name: e.figure for name, e in published.items() if e.figure is not None}
    assert figures.keys() == {"cost", *(f"fig{i}" for i in range(1, 7))}
    for figure in figures.values():
        with style(PRINT):
            assert_printable(figure, COLUMN)


def test_a_table_marks_rows_that_chose_settings() -> None:
    evidence = Evidence.read(PUBLISHED)
    view = marked(evidence, table2(evidence)).view
    assert view is not None
    heads = {block.dataset: block.columns[0] for block in view.blocks}
    notes = [view.footnotes[number - 1] for number in heads[labels.TCGA].notes]
    assert any(note.startswith("Settings were chosen with rows of this table") for note in notes)


def test_digits_have_titles(published: dict[str, Exhibit]) -> None:
    figure = published["fig3"].figure
    assert figure is not None
    titles = [axes.get_title() for axes in figure.axes]
    assert [title for title in titles if title] == list("0123456789")


def test_the_committed_pictures_are_all_figures(published: dict[str, Exhibit]) -> None:
    drawn = {name for name, exhibit in published.items() if exhibit.figure is not None}
    assert {path.stem for path in PUBLISHED.glob("*.png")} == drawn


@pytest.mark.slow
def test_needles_are_on_top_only_together(copy: Path, put_again: Callable) -> None:
    store = Store(copy)
    faithful = [r for r in store.records() if r["dataset"]["label"] == labels.NIHS_NOTEBOOK]
    assert len(faithful) == 2
    for i, record in enumerate(faithful):  # each pass has a different needle on top
        arrays = store.artifact(record["key"])
        arrays["attributions"] = np.zeros_like(arrays["attributions"])
        arrays["attributions"][:, record["dataset"]["relevant"][i]] = 1
        record["metrics"]["accuracy"] = 1.0
        record["metrics_version"] = version()
        put_again(store, record, arrays)
    evidence = Evidence.read(copy)
    group = evidence.group(labels.NIHS_NOTEBOOK, labels.FAITHFUL)
    assert group is not None
    counts = passes(evidence, group)
    assert counts is not None
    assert (len(counts.accepted), counts.in_two, counts.all_on_top) == (2, [1, 1], 0)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [labels.CORRECTED, labels.BEST])
def test_curves_have_test_rows(finished: Path, mode: str) -> None:
    evidence = Evidence.read(finished)
    group = evidence.group(labels.SHUFFLED, mode)
    history = evidence.history(group)
    assert [row["epoch"] for row in history] == [1, 2]
    assert group is not None
    assert history[-1]["test_accuracy"] == pytest.approx(group.ok[0]["accuracy"])


def test_the_consensus_counts_before_it_averages() -> None:
    tops = [{1: 5.0, 2: 1.0}, {2: 1.0, 3: 2.0}, {2: 1.0, 3: 0.5}]
    assert consensus(tops) == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_tables_compile(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "paper" / "tables", tmp_path / "tables")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "tables.tex"]
    completed = subprocess.run(command, cwd=tmp_path / "tables", capture_output=True, check=False)
    assert completed.returncode == 0, completed.stdout.decode(errors="replace")[-3000:]


def test_the_command_says_what_a_folder_lacks(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reports", "paper", str(tmp_path)]
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert completed.returncode == 2
    assert "found neither cells/ nor cells.parquet" in completed.stderr
    assert json.dumps(completed.stdout) == json.dumps("")


@pytest.mark.slow
def test_another_processor_is_distinguished(copy: Path, put_again: Callable) -> None:
    store = Store(copy)
    record = next(r for r in store.records() if r["method"]["label"] == labels.BEST)
    dataset = record["dataset"]["label"]

    def describe_other_machine() -> str:
        evidence = Evidence.read(copy)
        group = evidence.group(dataset, labels.BEST)
        assert group is not None
        return evidence.elsewhere(group)

    assert describe_other_machine() == ""
    for other in store.records():  # all seeds of the group
        if (other["dataset"]["label"], other["method"]["label"]) == (dataset, labels.BEST):
            other["environment"] |= {"cpu": "Another", "cpu_features": ["neon"]}
            put_again(store, other)
    assert describe_other_machine() == "Another with neon"
