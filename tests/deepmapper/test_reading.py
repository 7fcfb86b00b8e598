"""Tables from files: all formats give the same table, bad tables are refused."""

import gzip
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepmapper.errors import DeepMapperError
from deepmapper.tables import Preparation, PreparedTable, read_new, read_training


def _frame(n: int = 24) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(n, 3)).astype("float32"), columns=["a", "b", "c"])
    frame["sex"] = ["f", "m", "f"] * (n // 3)
    frame["status"] = ["ill", "well"] * (n // 2)
    return frame


def _csv(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def _small(folder: Path, columns: Mapping[str, Any], n: int = 4) -> Path:
    """Write a CSV file of a number `g`, a label `y` of two classes, and more columns."""
    data: dict[str, object] = {"g": np.arange(1, n + 1) ** 2, "y": ["p", "q"] * (n // 2)}
    pd.DataFrame(data | dict(columns)).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def _read(path: Path, **options: Any) -> PreparedTable:
    return read_training(path, **options).train


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "t.csv.gz", "t.csv.xz", "t.parquet"])
def test_every_format_gives_the_same_table(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="optional: pip install pyarrow")
        _frame().to_parquet(tmp_path / name, index=False)
    else:
        separator = "," if ".csv" in name else "\t"
        _frame().to_csv(tmp_path / name, index=False, sep=separator)
    table = _read(tmp_path / name, label="status")
    assert table.features == ["a", "b", "c", "sex=f", "sex=m"]
    assert table.X.dtype == np.float32
    np.testing.assert_allclose(table.X[:, :3], _frame()[["a", "b", "c"]], rtol=1e-6)
    np.testing.assert_array_equal(table.X[:, 3], _frame()["sex"] == "f")
    np.testing.assert_array_equal(table.X[:, 4], _frame()["sex"] == "m")
    assert table.y.tolist() == _frame()["status"].tolist()


def test_names_of_rows_are_found(tmp_path: Path) -> None:
    frame = _frame()
    frame.index = pd.Index([f"P{i}" for i in range(len(frame))])
    frame.to_csv(tmp_path / "index.csv")
    frame.rename_axis("patient").reset_index().to_csv(tmp_path / "column.csv", index=False)
    for name in ("index.csv", "column.csv"):
        table = _read(tmp_path / name, label="status")
        assert table.row_names.tolist()[:2] == ["P0", "P1"]
        assert table.features == ["a", "b", "c", "sex=f", "sex=m"]
    numbered = _read(tmp_path / "column.csv", label="status", row_names="a")
    assert "a" not in numbered.features


def test_decimal_commas_of_a_spreadsheet(tmp_path: Path) -> None:
    text = "a;y\n" + "".join(f"{i},5;{'pq'[i % 2]}\n" for i in range(40))
    table = _read(_csv(tmp_path, text), label="y")
    assert table.features == ["a"]
    np.testing.assert_array_equal(table.X[:, 0], np.arange(40, dtype=np.float32) + 0.5)


def test_true_and_false_are_one_and_zero(tmp_path: Path) -> None:
    path = _small(tmp_path, {"smoker": [True, False, True, False]})
    table = _read(path, label="y")
    assert table.features == ["g", "smoker"]
    assert table.X[:, 1].tolist() == [1, 0, 1, 0]


def test_a_number_with_a_plus_after_the_sample_is_still_a_number(tmp_path: Path) -> None:
    rows = [f"{i * i},{'pq'[i % 2]},{'+' if i == 39 else ''}{i}.5" for i in range(40)]
    table = _read(_csv(tmp_path, "\n".join(["g,y,late", *rows])), label="y")
    assert sorted(table.features) == ["g", "late"]
    np.testing.assert_array_equal(
        table.X[:, table.features.index("late")], np.arange(40, dtype=np.float32) + 0.5
    )


def test_labels_keep_their_type(tmp_path: Path) -> None:
    for values, kind in (([3, 5, 3, 5], "i"), (["p", "q", "p", "q"], "U"), (["01", "02"] * 2, "U")):
        y = _read(_small(tmp_path, {"y": values}), label="y").y
        assert y.dtype.kind == kind
        assert y.tolist() == values


def test_zero_and_empty_columns_and_rows_are_dropped_and_named(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(12, 20))
    X[:, 4] = 0
    X[:, 9] = np.nan
    X[2] = 0
    X[5] = np.nan
    frame = pd.DataFrame(X, columns=[f"g{i}" for i in range(20)])
    frame["y"] = ["p", "q"] * 6
    frame.to_csv(tmp_path / "t.csv", index=False)
    read = read_training(tmp_path / "t.csv", label="y")
    assert read.preparation.zero_columns == ("g4",)
    assert read.preparation.empty_columns == ("g9",)
    assert read.dropped.blank == ("3", "6")
    assert read.train.X.shape == (10, 18)
    assert (read.n_rows, read.n_columns) == (12, 20)


def test_a_row_of_zeros_stays_in_a_narrow_table(tmp_path: Path) -> None:
    table = _read(_small(tmp_path, {"g": [0, 1, 0, 1]}), label="y")
    assert table.X[:, 0].tolist() == [0, 1, 0, 1]


def test_missing_values_are_handled_as_asked(tmp_path: Path) -> None:
    path = _small(tmp_path, {"h": [1, None, 3, 9], "s": ["u", "v", "u", None]})
    with pytest.raises(DeepMapperError, match=r"2 values are missing.*'h' \(1\), 's' \(1\)"):
        _read(path, label="y")
    median = _read(path, label="y", missing="median")
    assert median.X[:, 1].tolist() == [1, 3, 3, 9]
    assert median.X[:, 2:].tolist() == [[1, 0], [0, 1], [1, 0], [1, 0]]
    zero = _read(path, label="y", missing="zero")
    assert zero.X[:, 1].tolist() == [1, 0, 3, 9]
    assert zero.X[3, 2:].tolist() == [0, 0]
    with pytest.raises(DeepMapperError, match="needs two"):
        read_training(path, label="y", missing="drop-rows")
    with pytest.raises(DeepMapperError, match="error, median, zero, drop-rows"):
        _read(path, label="y", missing="mean")


def test_rows_with_missing_values_or_labels_can_be_dropped(tmp_path: Path) -> None:
    columns = {"h": [1, None, 3, 9, 1, 2, 3, 4], "y": ["p", "q", "p", "q", "p", "q", None, "q"]}
    path = _small(tmp_path, columns, n=8)
    with pytest.raises(DeepMapperError, match="1 of 8 rows have no label"):
        _read(path, label="y", missing="zero")
    read = read_training(path, label="y", missing="drop-rows")
    assert read.dropped.incomplete == ("2",)
    assert read.dropped.unlabelled == ("7",)
    assert len(read.train.X) == 6


def test_medians_come_from_training_rows_alone(tmp_path: Path) -> None:
    n = 40
    frame = pd.DataFrame({"g": np.arange(n, dtype=float), "y": ["p", "q"] * (n // 2)})
    frame.loc[::4, "g"] = np.nan
    frame["h"] = 1.0
    frame.to_csv(tmp_path / "t.csv", index=False)
    read = read_training(tmp_path / "t.csv", label="y", missing="median", test_fraction=0.5)
    assert read.test is not None
    kept = frame["g"].iloc[[int(name) - 1 for name in read.train.row_names]]
    assert read.preparation.medians == (np.nanmedian(kept), 1.0)
    assert set(read.train.row_names) | set(read.test.row_names) == {str(i + 1) for i in range(n)}
    assert not set(read.train.row_names) & set(read.test.row_names)


def test_many_levels_share_one_feature_and_unseen_ones_are_counted(tmp_path: Path) -> None:
    n = 200
    frame = pd.DataFrame({"g": range(n), "y": ["p", "q"] * (n // 2)})
    frame["city"] = [f"city{i % 40}" for i in range(n)]
    frame["sex"] = ["f", "m"] * (n // 2)
    frame.to_csv(tmp_path / "t.csv", index=False)
    read = read_training(tmp_path / "t.csv", label="y")
    assert read.preparation.with_other == ("city",)
    city = [i for i, name in enumerate(read.train.features) if name.startswith("city=")]
    assert len(city) == 32
    np.testing.assert_array_equal(read.train.X[:, city].sum(1), 1)
    new = frame.drop(columns="y").head(3).assign(city="atlantis", sex=["f", "x", "y"])
    new.to_csv(tmp_path / "new.csv", index=False)
    table = read_new(tmp_path / "new.csv", read.preparation)
    assert table.X[:, table.features.index("city=other")].tolist() == [1, 1, 1]
    assert table.unseen == {"sex": 2}


def test_a_level_called_other_is_one_of_the_others(tmp_path: Path) -> None:
    n = 200
    frame = pd.DataFrame({"g": np.arange(n) ** 2, "y": ["p", "q"] * (n // 2)})
    frame["city"] = ["other" if i % 4 == 0 else f"city{i % 40}" for i in range(n)]
    frame["tissue"] = ["other", "skin"] * (n // 2)
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = _read(tmp_path / "t.csv", label="y")
    assert {"tissue=other", "tissue=skin", "city=other"} < set(table.features)
    frame["city"] = [f"{'other' if i < 40 else f'city{i % 40}'}" for i in range(n)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = _read(tmp_path / "t.csv", label="y")
    city = [i for i, name in enumerate(table.features) if name.startswith("city=")]
    assert len(city) == 32
    np.testing.assert_array_equal(table.X[:, city].sum(1), 1)
    np.testing.assert_array_equal(table.X[:40, table.features.index("city=other")], 1)


@pytest.mark.parametrize("fraction", [0.2, 0.9])
def test_a_rare_class_is_in_training_and_test_rows(tmp_path: Path, fraction: float) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": rng.normal(size=202), "y": ["p", "q"] * 100 + ["r", "r"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for seed in range(5):
        read = read_training(
            tmp_path / "t.csv", label="y", test_fraction=fraction, random_state=seed
        )
        assert read.test is not None
        assert (read.train.y == "r").sum() == (read.test.y == "r").sum() == 1
        assert abs(len(read.test.X) - fraction * 202) < 2


def test_new_tables_are_matched_by_name(tmp_path: Path) -> None:
    _frame().to_csv(tmp_path / "t.csv", index=False)
    read = read_training(tmp_path / "t.csv", label="status")
    shuffled = _frame()[["sex", "c", "status", "a", "b"]]
    shuffled.to_csv(tmp_path / "new.csv", index=False)
    np.testing.assert_array_equal(read_new(tmp_path / "new.csv", read.preparation).X, read.train.X)
    _frame().drop(columns=["a", "sex"]).assign(z=1).to_csv(tmp_path / "odd.csv", index=False)
    with pytest.raises(
        DeepMapperError, match=r"2 features .* missing: 'a', 'sex'; 1 columns .* unknown.*: 'z'"
    ):
        read_new(tmp_path / "odd.csv", read.preparation)
    _frame().assign(b="high").to_csv(tmp_path / "text.csv", index=False)
    with pytest.raises(DeepMapperError, match=r"column 'b' holds numbers.*'high' \(row 1\)"):
        read_new(tmp_path / "text.csv", read.preparation)


def test_a_preparation_survives_json() -> None:
    preparation = Preparation(
        ("a",), {"s": ("u", "v")}, ("s",), ("y",), None, (), ("e",), "zero", ("?",)
    )
    assert Preparation.from_dict(asdict(preparation)) == preparation
    assert preparation.features == ["a", "s=u", "s=v", "s=other"]
    with pytest.raises(DeepMapperError, match="preparation"):
        Preparation.from_dict(asdict(preparation) | {"medians": [1.0, 2.0]})
    with pytest.raises(DeepMapperError, match="preparation"):
        Preparation.from_dict(asdict(preparation) | {"numbers": "abc"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,y\n", "no rows"),
        ("y\np\nq\n", "no feature"),
        ("a,a,y\n1,2,p\n3,4,q\n", "same name: 'a'"),
        ("a,yy\n1,p\n3,q\n", "no column 'y'.*nearest: 'yy'"),
        ("a,y\n1,p\n2,p\n", "classification needs two"),
        ("a,y\n1,p\n2,p\n3,p\n4,q\n", "one sample: 'q'"),
        ("a,y\n1,p\n2,q\n3,r\n4,s\n", "looks like the name of a row"),
        ("a,y\n1,0.5\n2,0.25\n3,0.5\n4,0.25\n", "measured numbers such as 0.5"),
        ("a,y\n1,p\n2,q\nlow,p\n4,q\n", r"column 'a' holds numbers.*'low' \(row 3\)"),
        ("a,y\n1,p\ninf,q\n3,p\n4,q\n", "infinite.*'a'"),
        ("a,y\n1,p\n1e40,q\n3,p\n4,q\n", "infinite.*'a'"),
        ("a,y\n0,p\n0,q\n0,p\n0,q\n", "no feature left: 1 columns are all zero"),
        ("a,y\n1,p\n2\n3,p\n4,q\n", "line 3: found 1 field, expected 2"),
        ("a,y\n" + 25 * "1,p\n" + "2\n", "line 27: found 1 field, expected 2"),
        ("a,y\n" + 25 * "1,p\n" + "2,q,3\n", "line 27: found 3 fields, expected 2"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DeepMapperError, match=message):
        _read(_csv(tmp_path, text), label="y")


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DeepMapperError, match="no file"):
        _read(tmp_path / "none.csv")
    for start in (b"PAR1", b"\x89HDF\r\n\x1a\n", b"\x93NUMPY", b"\x1f\x8b"):
        (tmp_path / "t.csv").write_bytes(start + b"nonsense")
        with pytest.raises(DeepMapperError, match=r"cannot read|deepmapper-benchmark\[tables\]"):
            _read(tmp_path / "t.csv")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,y\n" + b"1,p\n2,q\n" * 999)[:-20])
    with pytest.raises(DeepMapperError, match="cannot read"):
        _read(tmp_path / "cut.csv.gz", label="y")


def test_a_text_column_of_unique_values_is_refused(tmp_path: Path) -> None:
    n = 80
    frame = pd.DataFrame({"g": np.arange(n) ** 2, "y": ["p", "q"] * (n // 2)})
    frame["one"] = [f"i{i}" for i in range(n)]
    frame["two"] = [f"j{i}" for i in range(n)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DeepMapperError, match=r"'two' has 80 different values.*--drop two"):
        _read(tmp_path / "t.csv", label="y")
    assert _read(tmp_path / "t.csv", label="y", leave_out=["two"]).features == ["g"]
