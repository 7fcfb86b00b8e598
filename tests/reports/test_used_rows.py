"""Tables whose rows were in sight when settings were chosen are marked."""

import tomllib
from fnmatch import fnmatchcase

import pandas as pd
import pytest

from bench.catalog import ROOT
from reports.tables.markup import markdown
from reports.tables.views import Block, Cell, Column, View
from reports.topics import PUBLISHED, Topic
from reports.used_rows import CAPTION, FILE, mark_text, mark_view, used_tables

ENTRIES = tomllib.loads(FILE.read_text())
TOPICS = sorted(path.parent for path in PUBLISHED.glob("*/spec.toml"))
PATTERNS = [*ENTRIES["none"], *(label for entry in ENTRIES["used"] for label in entry["labels"])]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda path: path.name)
def test_each_table_of_a_published_topic_has_an_entry(topic):
    labels = {record["dataset"]["label"] for record in Topic(topic).records()}
    missing = {label for label in labels if not any(fnmatchcase(label, p) for p in PATTERNS)}
    assert not missing, f"reports/used_rows.toml: add {sorted(missing)}, to `none` if not used"


def test_sources_exist():
    for entry in ENTRIES["used"]:
        for source in entry["source"].split(", "):
            assert (ROOT / source).is_file()


@pytest.mark.parametrize(
    ("label", "seeds", "n_choices"),
    [
        ("tcga", [7], 1),
        ("expression", [1, 2], 1),
        ("expression", [2, 3], 0),  # drawn with other seeds
        ("expression", [100], 1),
        ("expression, 64 x 64", [0], 0),
        ("prostate_shift", [0], 2),
        ("spoken_digits (shuffled)", [0], 1),
        ("a table of a user", [0], 0),
    ],
)
def test_a_choice_counts_for_its_tables_and_seeds(label, seeds, n_choices):
    frame = pd.DataFrame({"dataset_label": label, "seed": seeds})
    assert len(used_tables(frame).get(label, [])) == n_choices


def test_columns_and_blocks_of_used_tables_have_footnotes():
    used = {"tcga": ["chosen there"], "gravier": ["first", "second"]}
    columns = [Column("Method"), Column("tcga", dataset="tcga"), Column("x", dataset="x")]
    rows = [[Cell("mlp"), Cell("1"), Cell("2")]]
    blocks = [
        Block("all", columns, rows),
        Block("gravier: y", columns[:1], [[Cell("mlp")]], "gravier"),
    ]
    view = mark_view(View("v", "V", "Means.", blocks, ["older"], pd.DataFrame()), used)
    assert view.footnotes == ["older", "chosen there", "first", "second"]
    assert "footnote of a dataset" in view.reading
    text = markdown(view)
    assert "| Method | tcga [2] | x |" in text
    assert "| Method [3] [4] |" in text
    assert mark_view(view, {}).reading == view.reading


def test_a_table_of_markdown_is_marked_in_head_and_rows():
    text = "| method | tcga | x |\n| tcga | 1 |\n"
    marked = f"| method | tcga † | x |\n| tcga † | 1 |\n\n{CAPTION}\n"
    assert mark_text(text, {"tcga": ["chosen there"]}) == marked
    assert mark_text(text, {"y": ["chosen there"]}) == text
