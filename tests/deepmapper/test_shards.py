"""Tables in shards: indexed as arrays, the same model as from memory, damage found."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from typer.testing import CliRunner

from deepmapper import DeepMapperClassifier, DeepMapperError, shards
from deepmapper._app import cli
from deepmapper.images._folded import FoldedRows
from deepmapper.images.converter import ImageConverter
from deepmapper.images.scaling import FeatureScaler
from deepmapper.sharded_images import fit_images
from deepmapper.shards import ShardedTable, label_of, write_shards
from deepmapper.tables import read_new, read_training

N, P = 120, 30


def _matrix() -> np.ndarray:
    X = np.random.default_rng(0).lognormal(1, 1, size=(N, P)).astype(np.float32)
    X[:, 17] *= 1 + 20 * _labels().astype(np.float32)
    return X


def _labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, N)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = [f"gene{i}" for i in range(P)]
    blocks = np.split(_matrix(), [7, 50, 50, 99])  # of any length, also none
    write_shards(
        blocks, tmp_path / "t", labels=_labels(), label="ill", features=names, shard_rows=32
    )
    return tmp_path / "t"


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> ShardedTable:
    """Rows 0 to 22 in shards of 5, each value the number of its cell."""
    folder = tmp_path_factory.mktemp("numbered")
    return write_shards([np.arange(69.0).reshape(23, 3)], folder / "t", shard_rows=5)


ENDS = st.none() | st.integers(-30, 30)
ROWS = st.one_of(
    st.slices(23),
    st.builds(slice, ENDS, ENDS, st.none() | st.integers(-4, 4).filter(bool)),
    st.lists(st.integers(-23, 22), max_size=40).map(lambda rows: np.array(rows, dtype=int)),
    st.lists(st.booleans(), min_size=23, max_size=23).map(np.array),
    st.integers(-23, 22),
)
COLUMNS = st.lists(st.integers(-3, 2), min_size=1, max_size=5).map(np.array)


@given(rows=ROWS, then=ROWS, columns=COLUMNS)
@settings(max_examples=60, deadline=None)
def test_rows_are_those_of_numpy(
    numbered: ShardedTable, rows: object, then: object, columns: np.ndarray
) -> None:
    X = np.arange(69, dtype=np.float32).reshape(23, 3)
    assert_array_equal(numbered[rows], X[rows])
    assert numbered[rows].dtype == np.float32
    mixed = numbered.take(slice(None, None, -1), columns)
    assert mixed.shape == (23, len(columns))
    assert_array_equal(mixed[then], X[::-1][:, columns][then])
    assert_array_equal(np.asarray(mixed.take(slice(3, 9))), X[::-1][:, columns][3:9])


@pytest.mark.parametrize("rows", [[23], [0, -24], np.zeros(5, bool), [[0]], [0.5]])
def test_rows_that_are_not_there_are_refused(numbered: ShardedTable, rows: list) -> None:
    with pytest.raises(IndexError):
        numbered[rows]


def test_a_table_is_what_was_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MOST_MAPPED", 2)
    table = ShardedTable(folder)
    table.verify()
    assert_array_equal(table[:], _matrix())
    assert len(table._mapped) <= 2
    assert (len(table), table.shape, table.label) == (N, (N, P), "ill")
    assert [s["rows"] for s in table._content["shards"]] == [32, 32, 32, 24]
    assert_array_equal(table.take([5, 3]).labels, _labels()[[5, 3]])
    assert table.take(columns=[4, 1]).features == ["gene4", "gene1"]
    assert label_of(folder) == "ill"


@pytest.mark.parametrize("stream", [True, False])
def test_a_model_from_shards_is_the_model_from_memory(folder: Path, stream: bool) -> None:
    y, table = _labels(), ShardedTable(folder)
    X = pd.DataFrame(_matrix(), columns=table.features)
    options = {"passes": 1, "epochs": 2, "device": "cpu", "layout": "learned", "stream": stream}
    memory = DeepMapperClassifier(**options).fit(X, y)
    disk = DeepMapperClassifier(**options).fit(table, y)
    assert isinstance(disk.transform(table), FoldedRows) == stream
    assert_array_equal(disk.predict_proba(table), memory.predict_proba(X))
    assert_array_equal(disk.predict_proba(X), memory.predict_proba(X))
    pd.testing.assert_frame_equal(disk.attributions_, memory.attributions_)
    with pytest.raises(ValueError, match="expected 30 features, as in training, got 29"):
        disk.predict(table.take(columns=slice(1, None)))
    with pytest.raises(DeepMapperError, match=r"expected 'gene0' as feature 0 .*, got 'gene29'"):
        disk.predict(table.take(columns=slice(None, None, -1)))


def test_the_command_line_fits_and_predicts_folders(folder: Path, tmp_path: Path) -> None:
    def run(*arguments: object) -> str:
        result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
        if result.exception is not None:
            raise result.exception
        return result.output

    options = ("--passes", 1, "--epochs", 1, "--device", "cpu", "--set", "min_accuracy=0.0")
    with pytest.raises(DeepMapperError, match="no column 'sick' for the label; it has 'ill'"):
        run("fit", folder, "--label", "sick", "--out", tmp_path / "run", *options)
    out = run("fit", folder, "--out", tmp_path / "run", "--drop", "gene3", *options)
    assert "120 rows and 29 columns of features read" in out
    frame = pd.DataFrame(_matrix(), columns=[f"gene{i}" for i in range(P)])
    frame.to_csv(tmp_path / "t.csv", index=False)
    for table in (folder, tmp_path / "t.csv"):
        run("predict", tmp_path / "run", table, "--out", tmp_path / f"{table.name}.out")
    found, expected = (pd.read_csv(tmp_path / f"{name}.out") for name in ("t", "t.csv"))
    pd.testing.assert_frame_equal(found, expected)
    names = [f"gene{i}" for i in range(P) if i != 1]
    other = write_shards([_matrix()[:, 1:]], tmp_path / "other", features=names)
    with pytest.raises(DeepMapperError, match=r"1 features of the model are missing: 'gene1'"):
        run("predict", tmp_path / "run", other.folder)


def test_rows_are_divided_without_a_copy(folder: Path) -> None:
    tables = read_training(folder, label="ill", test_fraction=0.25)
    assert isinstance(tables.train.X, ShardedTable)
    assert tables.test is not None
    assert_array_equal(
        np.sort(np.concatenate([tables.train.X[:, [2]], tables.test.X[:, [2]]]), axis=0)[:, 0],
        np.sort(_matrix()[:, 2]),
    )
    assert read_new(folder, tables.preparation).y is None


def test_memory_stays_bounded(tmp_path: Path) -> None:
    n, p = 4000, 2500  # 40 MB
    rows = np.random.default_rng(0).normal(size=(500, p)).astype(np.float32)
    tracemalloc.start()
    try:
        table = write_shards((rows for _ in range(n // 500)), tmp_path / "t", shard_rows=1000)
        table.verify()
        converter = ImageConverter(stream=True)
        images = fit_images(converter, table, np.zeros(n))
        for which in torch.randperm(n, generator=torch.Generator().manual_seed(0)).split(64):
            images[which]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.45 * 4 * n * p  # a shard being written; blocks when read
    mapped = _mapped_mib()
    FeatureScaler().learn(table)
    assert _mapped_mib() - mapped < 8


def _mapped_mib() -> float:
    """Of files mapped into this process, what is in memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssFile:")[1].split()[0]) / 1024


def _drop(folder: Path) -> None:
    (folder / "shard-00002.npy").unlink()


def _shorten(folder: Path) -> None:
    path = folder / "shard-00001.npy"
    path.write_bytes(path.read_bytes()[:-100])


def _reshape(folder: Path) -> None:
    np.save(folder / "shard-00001.npy", np.zeros((32, P - 1), np.float32))


def _retype(folder: Path) -> None:
    np.save(folder / "shard-00001.npy", np.zeros((32, P)))


def _alter(folder: Path) -> None:
    path = folder / "shard-00003.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def _rename(folder: Path) -> None:
    path = folder / "features.txt"
    path.write_text(path.read_text().replace("gene5\n", "gene50\n"))


def _unfinish(folder: Path) -> None:
    (folder / "table.json").unlink()


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "table.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_drop, r"shard-00002.npy is missing: table.json beside it lists the file"),
        (_shorten, r"cannot read .*shard-00001.npy"),
        (_reshape, r"shard-00001.npy: expected float32 \(32, 30\), got float32 \(32, 29\)"),
        (_retype, r"shard-00001.npy: expected float32 \(32, 30\), got float64 \(32, 30\)"),
        (_alter, r"shard-00003.npy was altered or damaged .* expected SHA-256 \w{12}..., got"),
        (_rename, r"features.txt was altered"),
        (_unfinish, r"holds no table in shards: it has no table.json"),
        (lambda f: _edit(f, format=2), r"expected format 1 of 'float32', got 2 of 'float32'"),
        (lambda f: _edit(f, n_samples=7), r"its shards have 120 rows, the table 7"),
        (lambda f: _edit(f, files=[{"file": "../labels.npy"}]), r"outside the folder: \['../lab"),
        (lambda f: (f / "table.json").write_text("{"), r"cannot read .*table.json"),
        (lambda f: (f / "table.json").write_text("[]"), r"is not what write_shards writes"),
    ],
)
def test_damage_is_found(folder: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    damage(folder)
    with pytest.raises(DeepMapperError, match=message):
        ShardedTable(folder).verify()


X23 = np.ones((2, 3))


@pytest.mark.parametrize(
    ("blocks", "options", "message"),
    [
        ([], {}, "got 0 rows"),
        (
            [X23, np.ones((2, 4))],
            {},
            r"block after row 2: expected shape \(n_rows, 3\), got \(2, 4",
        ),
        ([np.ones(3)], {}, r"expected shape \(n_rows, n_features\), got \(3,\)"),
        ([X23, [[1, np.nan, 2]]], {}, r"row 2, feature 1 \(counted from 0\) is nan"),
        ([X23], {"labels": [0, 1, 0]}, r"expected 2 labels, one a row, got an array \(3,\)"),
        ([X23], {"features": ["a", "b"]}, "expected 3 different names of features"),
        ([X23], {"features": ["a", "b", "a"]}, "of which 2 differ"),
        ([X23], {"shard_rows": 0}, "shard_rows is 1 or more, got 0"),
    ],
)
def test_a_table_that_is_none_is_not_written(
    tmp_path: Path, blocks: list, options: dict, message: str
) -> None:
    with pytest.raises(DeepMapperError, match=message):
        write_shards(blocks, tmp_path / "t", **options)
    assert not (tmp_path / "t" / "table.json").exists()


def test_a_table_is_not_overwritten(folder: Path) -> None:
    with pytest.raises(DeepMapperError, match="holds a table already"):
        write_shards([X23], folder)
    _unfinish(folder)
    assert write_shards([X23], folder).shape == (2, 3)
