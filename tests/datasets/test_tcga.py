"""TCGA counts from small files, the choice of types, and the six real types."""

import gzip
import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from datasets import tcga
from datasets._tcga_blobs import COUNTS_BLOBS
from datasets.table import Table, TableError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder. `write` adds a counts file and its checksum."""
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    monkeypatch.setattr(tcga, "COUNTS_BLOBS", dict(COUNTS_BLOBS))
    (tmp_path / "tcga").mkdir()
    return tmp_path


def write(folder: Path, name: str, lines: list[str]) -> Path:
    packed = gzip.compress("\n".join([*lines, ""]).encode())
    path = folder / "tcga" / f"TCGA_{name}_Counts.exp.gz"
    path.write_bytes(packed)
    prefix = f"blob {len(packed)}\0".encode()
    tcga.COUNTS_BLOBS[name] = hashlib.sha1(prefix + packed).hexdigest()
    return path


def test_columns_are_samples(folder: Path) -> None:
    path = write(folder, "ACC", ["\ts1\ts2\ts3", "g1\t1\t2\t3", "g2\t0\t0\t16777216"])
    genes, samples, counts = tcga.parse_counts(path)
    assert (genes, samples) == (["g1", "g2"], ["s1", "s2", "s3"])
    assert counts.dtype == np.float32
    assert_array_equal(counts, [[1, 0], [2, 0], [3, 2**24]])


def test_types_of_the_same_genes_become_one_table(folder: Path) -> None:
    write(folder, "UVM", ["\tu1\tu2", "g1\t1\t2", "g2\t3\t4"])
    write(folder, "ACC", ["\ta1\ta2\ta3", "g1\t5\t6\t7", "g2\t8\t9\t0"])
    table = tcga.load(types="UVM, ACC")
    assert (table.classes, table.features) == (("ACC", "UVM"), ("g1", "g2"))
    assert_array_equal(table.X, [[5, 8], [6, 9], [7, 0], [1, 3], [2, 4]])
    assert_array_equal(table.y, [0, 0, 0, 1, 1])
    assert table.notes == {"samples": ["a1", "a2", "a3", "u1", "u2"]}
    assert table.X.flags.c_contiguous


def test_n_genes_keeps_those_of_largest_mean_count(folder: Path) -> None:
    write(folder, "ACC", ["\ta1\ta2", "g1\t9\t0", "g2\t1\t1", "g3\t5\t5"])
    write(folder, "UVM", ["\tu1\tu2", "g1\t8\t0", "g2\t1\t1", "g3\t5\t5"])
    table = tcga.load(types="ACC,UVM", n_genes=2)
    assert table.features == ("g1", "g3")
    assert_array_equal(table.X, [[9, 5], [0, 5], [8, 5], [0, 5]])
    assert table.X.flags.c_contiguous
    assert table.notes["chosen genes"] == "the 2 of largest mean count"
    prepared = tcga.load(types="ACC,UVM", n_genes=2, preparation="log_cpm")
    assert_allclose(prepared.X[1], [0, np.log2(1 + 1e6)])  # of the two genes kept
    with pytest.raises(TableError, match="expected n_genes from 1 to 3, got 4"):
        tcga.load(types="ACC,UVM", n_genes=4)


def test_only_genes_of_all_types_are_kept(folder: Path) -> None:
    write(folder, "ACC", ["\ta1\ta2", "g3\t1\t2", "g1\t3\t4", "g2\t5\t6"])
    write(folder, "UVM", ["\tu1\tu2", "g1\t7\t8", "g9\t0\t0", "g3\t9\t1"])
    table = tcga.load(types="ACC,UVM")
    assert table.features == ("g3", "g1")
    assert_array_equal(table.X, [[1, 3], [2, 4], [9, 7], [1, 8]])
    assert table.notes["genes"] == "the types differ in their genes: 2 in all, 2 left out"
    write(folder, "UVM", ["\tu1\tu2", "g2\t5\t6", "g1\t7\t8", "g3\t9\t1"])
    table = tcga.load(types="ACC,UVM")
    assert_array_equal(table.X, [[1, 3, 5], [2, 4, 6], [9, 7, 5], [1, 8, 6]])
    assert table.notes["genes"] == "the types differ in their genes: 3 in all, 0 left out"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["\ts1\ts2", "g1\t1\t2", "g1\t3\t4"], "expected each gene once, got 'g1' again"),
        (["\ts1\ts2", "g1\t1\tmany"], "is not a table of counts: expected numbers"),
    ],
)
def test_files_without_counts_are_refused(folder: Path, lines: list[str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        tcga.parse_counts(write(folder, "ACC", lines))


def test_missing_counts_are_named(folder: Path) -> None:
    write(folder, "ACC", ["\ta1\ta2", "g1\t1\t2"])
    write(folder, "UVM", ["\tu1\tu2", "g1\t\t4"])
    with pytest.raises(TableError, match="got none of gene 'g1' in sample 'u1'"):
        tcga.load(types="ACC,UVM")


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ("ACC,UVN", "unknown type 'UVN' in types='ACC,UVN'. Did you mean UVM"),
        ("acc", "unknown type 'acc'.* Did you mean ACC"),
        ("ACC,", 'unknown type \'\'.*Known: "small", "all", or a list of ACC,BLCA,'),
        ("PANCAN", "unknown type 'PANCAN'"),
    ],
)
def test_an_unknown_type_lists_the_known(types: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        tcga.data_files(types=types)


def test_all_is_33_types() -> None:
    files = tcga.data_files(types="all")
    assert len(files) == len({file.checksum for file in files}) == 33
    assert tcga.data_files(types=",".join(reversed(list(COUNTS_BLOBS)))) == files
    assert not {"TEST", "PANCAN"} & set(COUNTS_BLOBS)
    assert all(name.isalpha() for name in COUNTS_BLOBS)
    assert files[0].addresses[0].endswith("/inst/extdata/ref_data/TCGA_ACC_Counts.exp.gz")


@cache  # takes a second, and several tests need it
def small(folder: Path) -> Table:
    return tcga.load()


def test_the_real_six_types(real_data: Path) -> None:
    table = small(real_data)
    assert (table.X.shape, table.X.dtype, table.X.flags.c_contiguous) == ((364, 56_537), "f4", True)
    assert table.classes == ("ACC", "CHOL", "DLBC", "KICH", "UCS", "UVM")
    assert_array_equal(np.bincount(table.y), [79, 36, 48, 65, 56, 80])
    assert np.count_nonzero(~table.X.any(axis=0)) == 1_934
    assert (table.X.min(), table.X.max()) == (0, 3_017_438)
    assert_array_equal(table.X, np.rint(table.X))
    assert "genes" not in table.notes
    assert (table.groups, table.official_split) == (None, None)
    assert table.checksum.startswith("16b491daeb1a")


def test_a_row_of_the_real_file(real_data: Path) -> None:
    """The last gene of ACC, read without pandas."""
    path = real_data / "tcga" / "TCGA_ACC_Counts.exp.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    gene, *counts = lines[-1].split("\t")
    table = small(real_data)
    assert table.features[-1] == gene
    assert_array_equal(table.X[:79, -1], np.array(counts, dtype=np.float32))
    samples = table.notes["samples"]
    assert isinstance(samples, list)
    assert samples[:79] == lines[0].split("\t")[1:]
    assert len(set(samples)) == 364
