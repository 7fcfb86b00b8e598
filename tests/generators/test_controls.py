"""Controls of other tables: what changes, what stays, and what a classifier makes of it."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.neighbors import KNeighborsClassifier

from bench import catalog
from bench.catalog import entries
from bench.cell import expand, resolve_parameters
from bench.run.split import split_rows
from bench.spec import parse_spec
from datasets import digits
from datasets.table import Source, Table, TableError
from generators import controls, needles
from generators.controls import CONTROLS

NEEDLES = {"n_samples": 400, "n_features": 30, "kind": "shift", "effect": 0.5}


def control_of_needles(control: str, seed: int = 0) -> Table:
    return controls.load(base="needles", base_params=NEEDLES, control=control, seed=seed)


def neighbour_accuracy(table: Table) -> float:
    train, test = split_rows(table, 0, 0.25)
    model = KNeighborsClassifier(1).fit(table.X[train], table.y[train])
    return float(model.score(table.X[test], table.y[test]))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Table:
    """A sparse table with groups and an official split, instead of the digits."""
    X = sparse.random(40, 6, density=0.4, format="csr", dtype=np.float32, random_state=0)
    y, groups, rows = np.arange(40) % 2, np.arange(40) // 4, np.arange(40)
    table = Table(
        name="few",
        X=X,
        y=y,
        classes=("a", "b"),
        features=[f"f{j}" for j in range(6)],
        source=Source("citation", "address", "licence"),
        official_split=(rows[:30], rows[30:]),
        groups=groups,
        notes={"of_the_base": 1},
    )
    monkeypatch.setattr(digits, "load", lambda: table)
    return table


def test_permuted_labels_are_those_of_the_base_in_another_order() -> None:
    base, table = needles.load(**NEEDLES), control_of_needles("permuted_labels")
    assert_array_equal(table.X, base.X)
    assert_array_equal(np.bincount(table.y), np.bincount(base.y))
    assert 0.4 < np.mean(table.y == base.y) < 0.6
    assert table.relevant is None


def test_labels_are_permuted_within_each_part_of_an_official_split(few: Table) -> None:
    table = controls.load(control="permuted_labels")
    for rows in few.official_split or ():
        assert_array_equal(np.bincount(table.y[rows]), np.bincount(few.y[rows]))
    assert np.count_nonzero(table.y != few.y) > 5


def test_shuffled_columns_keep_their_names_and_the_needles() -> None:
    base, table = needles.load(**NEEDLES), control_of_needles("shuffled_columns")
    order = table.notes["permutation"]
    assert_array_equal(table.X, base.X[:, order])
    assert_array_equal(table.y, base.y)
    names = {base.features[j] for j in base.relevant}
    assert {table.features[j] for j in table.relevant} == names


def test_the_leak_is_the_label_but_for_1_percent_of_the_rows() -> None:
    base, table = digits.load(), controls.load(control="leaked_label")
    assert_array_equal(table.X[:, :-1], base.X)
    assert table.features[-1] == "leaked_label"
    assert_array_equal(table.relevant, [64])
    wrong = table.X[:, -1] != base.y
    assert wrong.sum() == 18  # of 1,797 rows
    assert len(np.unique(table.X[wrong, -1])) > 3
    assert set(np.unique(table.X[:, -1])) == set(range(10))


def test_the_leak_is_added_to_the_needles() -> None:
    base, table = needles.load(**NEEDLES), control_of_needles("leaked_label")
    assert_array_equal(table.relevant, [*base.relevant, 30])


def test_copies_of_training_rows_give_the_labels_away() -> None:
    base = neighbour_accuracy(needles.load(**NEEDLES))
    assert base < 0.75
    assert neighbour_accuracy(control_of_needles("duplicated_rows")) > base + 0.15


def test_a_grouped_split_keeps_copies_together() -> None:
    base, table = needles.load(**NEEDLES), control_of_needles("duplicated_rows_grouped")
    assert_array_equal(table.X, np.concatenate([base.X, base.X]))
    for seed in range(3):
        train, test = split_rows(table, seed, 0.25)
        assert not set(train % 400) & set(test % 400)


def test_a_sparse_base_stays_sparse_and_grouped(few: Table) -> None:
    tables = {control: controls.load(control=control) for control in CONTROLS}
    assert all(sparse.issparse(table.X) and table.X.format == "csr" for table in tables.values())
    assert tables["leaked_label"].X.shape == (40, 7)
    assert tables["duplicated_rows"].X.shape == (80, 6)
    assert tables["duplicated_rows"].groups is tables["duplicated_rows"].official_split is None
    grouped = tables["duplicated_rows_grouped"]
    assert_array_equal(grouped.groups, np.tile(few.groups, 2))
    assert grouped.official_split is None
    assert_array_equal(tables["leaked_label"].official_split[1], few.official_split[1])


def test_notes_are_those_of_the_control(few: Table) -> None:
    table = controls.load(control="duplicated_rows")
    expected = {"control": "duplicated_rows", "base": "digits", "base_params": {}}
    assert (table.name, table.notes) == ("few_duplicated_rows", expected)
    assert table.source.citation == "citation; control: duplicated rows"


def test_the_base_gets_the_seed_unless_it_has_one() -> None:
    fixed = {"base": "needles", "base_params": {**NEEDLES, "seed": 3}, "control": "leaked_label"}
    assert_array_equal(controls.load(**fixed, seed=1).y, needles.load(**NEEDLES, seed=3).y)
    free = {**fixed, "base_params": NEEDLES}
    assert_array_equal(controls.load(**free, seed=1).y, needles.load(**NEEDLES, seed=1).y)
    one, two = (controls.load(**fixed, seed=seed) for seed in (1, 2))
    assert np.any(one.X[:, -1] != two.X[:, -1])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"base": "digit"}, "'base'.*one of .*digits.*got 'digit'. Did you mean 'digits'"),
        ({"base": "controls"}, "'base'.*got 'controls'"),
        ({"control": "permuted"}, "'control'.*one of permuted_labels, .*got 'permuted'"),
        ({"seed": -1}, "'seed'.*>= 0"),
        (
            {"base": "needles", "base_params": {"sample": 9}},
            "'base_params'.*parameters of 'needles': n_samples.*got 'sample'.*'n_samples'",
        ),
    ],
)
def test_unknown_names_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(TableError, match=message):
        controls.load(**parameters)


def test_parameters_come_through_a_spec() -> None:
    resolved = resolve_parameters(controls.load, {}, "test")
    assert controls.load(**resolved).name == "digits_permuted_labels"
    given = {"base": "needles", "base_params": NEEDLES, "control": "leaked_label"}
    resolved = resolve_parameters(controls.load, given, "test")
    assert resolved["base_params"] == NEEDLES
    assert controls.load(**resolved).n_features == 31


def test_every_table_of_the_project_can_be_a_base() -> None:
    names = {
        name
        for kind in ("datasets", "generators")
        for name, each in entries(kind).items()
        if each.module == f"{kind}.{name}"  # plug-ins cannot be a base
    }
    assert set(controls._base_modules()) == names - {"controls"}


def test_a_control_is_made_again_if_the_source_of_its_base_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = 'name = "x"\ndatasets = [{name = "controls", params = {base = "needles"}}]\n'
    spec = parse_spec(spec + 'methods = ["majority"]', "x")
    before = expand(spec, "cpu")[0].table.id
    assert expand(spec, "cpu")[0].table.id == before
    hashes = catalog._hash_sources
    monkeypatch.setattr(
        catalog,
        "_hash_sources",
        lambda path, module: hashes(path, module) + ("needles" in module) * "x",
    )
    assert expand(spec, "cpu")[0].table.id != before
