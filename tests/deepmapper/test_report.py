"""The page of a run: complete, offline, escaped and correct."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from deepmapper import DeepMapperClassifier
from deepmapper._app.charts import Line, line_chart, png_of
from deepmapper._app.report import report
from deepmapper._app.runs import Evaluation, Run, fit
from deepmapper.tables import read_training

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("report")
    X = np.random.default_rng(0).normal(size=(100, 5)).astype("float32")
    frame = pd.DataFrame(X, columns=["a", "b", EVIL, "d", "e"])
    frame["y"] = np.where(X[:, 2] > 0, EVIL, "well & good")
    frame.to_csv(folder / "t.csv", index=False)
    tables = read_training(folder / "t.csv", label="y", test_fraction=0.2)
    model = DeepMapperClassifier(
        passes=2, training={"max_epochs": 2, "min_accuracy": 0.0}, device="cpu", random_state=0
    )
    return fit(model, tables, source="t.csv", label="y")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_complete_and_works_offline(run: Run) -> None:
    page = report(run)
    tags = _Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags.elements}
    addresses = [a["src"] or "" for _, a in tags.elements if "src" in a]
    assert addresses
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "http" not in re.sub(r"data:[^\"]*", "", page)
    for heading in ("Confusion matrix", "Training", "Images and attribution", "Top features"):
        assert f"<h2>{heading}</h2>" in page
    assert "share attribution" in page


def test_texts_of_the_table_are_escaped(run: Run) -> None:
    page = report(run)
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "well &amp; good" in page


def test_the_numbers_are_those_of_the_test_rows(run: Run) -> None:
    assert run.evaluation is not None
    assert run.evaluation.n == 20
    page = report(run)
    assert f"<b>{run.evaluation.accuracy:.3f}</b>" in page
    assert "was trained on 80 rows. 20 test rows" in page


def test_the_page_says_what_the_networks_add_to_plain_models(run: Run) -> None:
    page = report(run)
    table = run.held_out
    assert table is not None
    for name in ("network", "ranks", "mixture", "majority"):
        assert f"<td>{table['loss'][name]:.3f}</td>" in page
    assert str(escape(run.addition)) in page
    assert f"with them, {table['loss']['without network']:.3f} without" in run.addition


def test_evaluation_agrees_with_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    classes = np.array(["a", "b", "c"])
    truth, predicted = classes[draw.integers(0, 3, 50)], classes[draw.integers(0, 3, 50)]
    scores = Evaluation(classes, confusion_matrix(truth, predicted))
    assert scores.accuracy == pytest.approx((truth == predicted).mean())
    assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(truth, predicted))


def test_the_interval_is_wilsons() -> None:
    # 9 of 10 right: Wilson's interval, computed by hand, is 0.596 to 0.982.
    scores = Evaluation(np.array([0, 1]), np.array([[4, 1], [0, 5]]))
    assert scores.interval() == pytest.approx((0.596, 0.982), abs=5e-4)


def test_the_recall_of_a_class_without_a_test_row_is_not_a_number(run: Run) -> None:
    assert run.evaluation is not None
    evaluation = Evaluation(run.evaluation.classes, np.array([[4, 1], [0, 0]]))
    page = report(replace(run, evaluation=evaluation))
    assert "<td>no test row</td>" in page
    assert "<td>80.0%</td>" in page
    assert "nan%" not in page


def test_a_picture_shows_each_value_as_a_square() -> None:
    image = np.array([[0.0, 1.0], [0.5, 0.0]])
    data = base64.b64decode(png_of(image, 1.0, two_sided=False).split(",")[1])
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("L")).astype(int)
    assert pixels.shape == (240, 240)
    for square in (pixels[:120, :120], pixels[:120, 120:], pixels[120:, :120], pixels[120:, 120:]):
        assert len(np.unique(square)) == 1
    assert pixels[0, 0] == pixels[-1, -1] > pixels[-1, 0] > pixels[0, -1]


def test_a_chart_leaves_out_values_that_are_not_finite() -> None:
    lines = [Line("one <b>", [(1, 0.0), (2, float("nan")), (3, 1.0)], 0)]
    svg = str(line_chart("loss", lines))
    assert svg.count("<polyline") == 1
    points = re.search(r'points="([^"]*)"', svg)
    assert points is not None
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in points[1].split())
    assert x0 < x1
    assert y0 > y1  # SVG counts downwards
    assert "one &lt;b&gt;" in svg
    assert line_chart("loss", [Line("none", [], 0)]) == ""
    assert "<circle" in line_chart("loss", [Line("dot", [(1, 0.3)], 1)])


def test_the_page_of_a_run_without_test_rows_says_so(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=["p", "q", "q"] * 10)
    frame.to_csv(tmp_path / "t.csv", index=False)
    training = {"max_epochs": 1, "min_accuracy": 0.0}
    model = DeepMapperClassifier(passes=1, training=training, device="cpu", attribution=None)
    page = report(fit(model, read_training(tmp_path / "t.csv", label="y"), source="t", label="y"))
    assert "no test rows" in page
    assert "Confusion matrix" not in page
    assert "Top features" not in page
