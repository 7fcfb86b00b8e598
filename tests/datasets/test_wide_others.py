"""Wide tables of sounds, brain waves, genotypes, RNA, words, and the real Madelon."""

import hashlib
import importlib
import io
import shutil
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.io import savemat

from datasets import (
    baron_mouse,
    bonn_eeg,
    cell_cycle,
    madelon,
    movie_reviews,
    prostate_shift,
    rna_mixtures,
    snp_europe,
    spoken_digits,
)
from datasets.fetch import location, state
from datasets.table import DataUnavailable, Table, TableError

from .conftest import Server

R_MODULES = (baron_mouse, cell_cycle, movie_reviews, prostate_shift, snp_europe)
MODULES = (*R_MODULES, bonn_eeg, madelon, rna_mixtures, spoken_digits)
MIXTURES = rna_mixtures.MIXTURES
CELLS = {"alpha": 9, "beta": 343, "delta": 85, "ductal": 236, "endothelial": 72, "gamma": 14}
CELLS |= {"macrophage": 17, "quiescent_stellate": 29}
RARE = {"B_cell": 2, "T_cell": 4, "activated_stellate": 4, "immune_other": 4, "schwann": 3}
slow = pytest.mark.slow  # a reader of R's files needs more than 3 seconds before its cache exists


def case(name: str, params: dict, shape: tuple, sizes: dict, split: tuple, checksum: str) -> Any:
    marks = [slow] if importlib.import_module(f"datasets.{name}") in R_MODULES else []
    return pytest.param(name, params, shape, sizes, split, checksum, id=name, marks=marks)


# Checksums are those of published values: logarithms may differ in the last bit of a processor.
TABLES = [
    case(
        "spoken_digits",
        {},
        (3_000, 8_000),
        {str(digit): 300 for digit in range(10)},
        (2_700, 300),
        "f8f52a6cafa3",
    ),
    case(
        "bonn_eeg",
        {},
        (500, 4_097),
        dict.fromkeys(bonn_eeg.CLASSES.values(), 100),
        (),
        "b76ff51a7a06",
    ),
    case(
        "rna_mixtures",
        {"preparation": "counts"},
        (340, 14_804),
        dict(zip(MIXTURES, (45, 45, 44, 40, 45, 39, 82), strict=True)),
        (),
        "db1b191e0b12",
    ),
    case(
        "rna_mixtures",
        {"preparation": "counts", "protocol": "sortseq"},
        (296, 15_571),
        dict(zip(MIXTURES, (37, 20, 41, 40, 45, 39, 74), strict=True)),
        (),
        "a4a43a66cf55",
    ),
    case(
        "rna_mixtures",
        {"preparation": "counts", "protocol": "transfer"},
        (636, 13_906),
        dict(zip(MIXTURES, (82, 65, 85, 80, 90, 78, 156), strict=True)),
        (340, 296),
        "3b907f81fa91",
    ),
    case(
        "snp_europe",
        {},
        (503, 10_025),
        {"CEU": 99, "FIN": 99, "GBR": 91, "IBS": 107, "TSI": 107},
        (),
        "76fd242cd8c7",
    ),
    case("cell_cycle", {}, (182, 8_989), {"G1": 59, "S": 58, "G2M": 65}, (), "63f8f5ed71ff"),
    case("baron_mouse", {"preparation": "counts"}, (805, 14_878), CELLS, (), "5ab92beacfb1"),
    case(
        "baron_mouse",
        {"preparation": "counts", "min_cells": 2},
        (822, 14_878),
        dict(sorted((CELLS | RARE).items())),
        (),
        "10b75c0fdeb7",
    ),
    case(
        "movie_reviews",
        {"fold": 0},
        (2_000, 12_491),
        {"neg": 1_000, "pos": 1_000},
        (1_800, 200),
        "14ca3e01a6a5",
    ),
    case(
        "movie_reviews",
        {"fold": 9},
        (2_000, 12_524),
        {"neg": 1_000, "pos": 1_000},
        (1_800, 200),
        "7dff5464e895",
    ),
    case(
        "prostate_shift",
        {},
        (136, 12_600),
        {"tumour": 77, "normal": 59},
        (102, 34),
        "2951e3f1b106",
    ),
]


def load(name: str, **params: object) -> Table:
    """Load the real table. Skips if a file is missing."""
    module = importlib.import_module(f"datasets.{name}")
    for package in getattr(module, "REQUIRES", {}):
        pytest.importorskip(package)
    for file in module.data_files(**params):
        if not location(file).is_file():
            pytest.skip(f"missing data file: {file.path}")
    return module.load(**params)


@pytest.mark.parametrize(("name", "params", "shape", "sizes", "split", "checksum"), TABLES)
def test_the_real_table_is_the_published_one(
    real_data: Path,
    name: str,
    params: dict[str, object],
    shape: tuple[int, int],
    sizes: dict[str, int],
    split: tuple[int, ...],
    checksum: str,
) -> None:
    table = load(name, **params)
    assert table.X.shape == shape
    assert dict(zip(table.classes, np.bincount(table.y), strict=True)) == sizes
    assert tuple(map(len, table.official_split or ())) == split
    assert table.n_missing == (5_108 if name == "snp_europe" else 0)
    assert table.groups is None
    assert table.checksum.startswith(checksum)


# Sounds


def sound(n_values: int, rate: int = 8_000) -> bytes:
    """A recording of 1, 2, 3, ..."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.arange(1, n_values + 1, dtype="<i2").tobytes())
    return content.getvalue()


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_short_sound_ends_with_zeros_and_a_long_one_is_cut(tmp_path: Path) -> None:
    names = ("1_theo_10", "1_theo_2", "0_theo_3", "9_anna_0")
    lengths = (3, 5, 9_000, 1)
    files = {f"any/recordings/{name}.wav": sound(n) for name, n in zip(names, lengths, strict=True)}
    path = zipped(tmp_path / "x.zip", {**files, "any/README.md": b"", "any/other.wav": sound(1)})
    arrays = spoken_digits.read_recordings(path)
    assert arrays["speakers"].tolist() == ["anna", "theo", "theo", "theo"]
    assert arrays["digits"].tolist() == [9, 0, 1, 1]
    assert arrays["numbers"].tolist() == [0, 3, 2, 10]
    assert_array_equal(arrays["values"][1], np.arange(1, 8_001))
    assert_array_equal(arrays["values"][2, :7], [1, 2, 3, 4, 5, 0, 0])
    assert (arrays["values"] > 0).sum(axis=1).tolist() == [1, 8_000, 5, 3]


def test_the_official_test_has_five_recordings_of_each_digit_and_speaker(real_data: Path) -> None:
    train, test = load("spoken_digits").official_split
    # Rows are sorted by speaker, digit and number.
    assert_array_equal(test, np.flatnonzero(np.arange(3_000) % 50 < 5))
    assert_array_equal(np.sort([*train, *test]), np.arange(3_000))


def test_the_groups_of_spoken_digits_are_the_speakers(real_data: Path) -> None:
    table = load("spoken_digits", split="speaker")
    assert table.official_split is None
    assert_array_equal(table.groups, np.repeat(np.arange(6), 500))
    speakers = ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]
    assert table.notes == {"speakers": speakers}
    assert np.abs(table.X).max() == 1


def test_the_sounds_are_those_of_the_repositorys_tree(real_data: Path) -> None:
    """The repository's folder has the same files, of which two speakers' are executable."""
    file = spoken_digits.data_files()[0]
    if state(file) == "missing":
        pytest.skip(f"missing data file: {file.path}")
    entries = []
    with zipfile.ZipFile(location(file)) as archive:
        for name in archive.namelist():
            short, content = Path(name).name, archive.read(name)
            mode = b"100755" if short.split("_")[1] in ("nicolas", "theo") else b"100644"
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).digest()
            entries.append((short.encode(), mode, blob))
    tree = b"".join(b"%s %s\0%s" % (mode, name, blob) for name, mode, blob in sorted(entries))
    identity = hashlib.sha1(b"tree %d\0" % len(tree) + tree).hexdigest()
    assert identity == "d04322e322a9f937f6f4f7c8546693755184df5b"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"README.md": b""}, r"expected recordings/<digit>_.*got no such file"),
        ({"recordings/0_theo_0.wav": b"RIFF"}, r"expected a zip of .*, got EOFError"),
        ({"recordings/0_theo_0.wav": sound(9)[:40]}, r"expected a zip of .*, got "),
        (
            {"recordings/0_theo_0.wav": sound(9, rate=16_000)},
            r"expected \(1, 2, 8000\) channels.*0_theo_0.wav, got \(1, 2, 16000\)",
        ),
    ],
)
def test_a_zip_of_other_sounds_is_refused(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(TableError, match=f"x.zip is truncated or another file: {message}"):
        spoken_digits.read_recordings(zipped(tmp_path / "x.zip", files))


# Brain waves


def segments() -> dict[str, bytes]:
    """Texts of their own number, 0 to 499, and zeros."""
    sets = zip("ABCDE", bonn_eeg.CLASSES, strict=True)
    names = [f"{name}_{letter}/{letter}{i:03}" for name, letter in sets for i in range(1, 101)]
    endings = {letter: "TXT" if letter == "N" else "txt" for letter in bonn_eeg.CLASSES}
    zeros = b"0\r\n" * 4_096
    return {f"{name}.{endings[name[2]]}": b"%d\n" % i + zeros for i, name in enumerate(names)}


def test_segments_are_sorted_by_set_and_number(tmp_path: Path) -> None:
    files = dict(reversed(segments().items()))
    values = bonn_eeg.read_segments(zipped(tmp_path / "x.zip", files))["values"]
    assert values.shape == (500, 4_097)
    assert_array_equal(values[:, 0], np.arange(500))
    assert not values[:, 1:].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"E_S/S100.txt": b"1\n2\n"}, "expected 4,097 values in E_S/S100.txt, got 2"),
        ({"A_Z/Z001.txt": b"1.5\n"}, "expected numbers in A_Z/Z001.txt, got invalid literal"),
        ({"A_Z/Z001.txt": b"<html>"}, "expected numbers in A_Z/Z001.txt, got invalid literal"),
        ({"A_Z/Z001.txt": None}, "expected 500 texts, got no Z001"),
    ],
)
def test_a_zip_of_other_texts_is_refused(
    tmp_path: Path, change: dict[str, bytes | None], message: str
) -> None:
    files = {name: text for name, text in (segments() | change).items() if text is not None}
    with pytest.raises(TableError, match=f"x.zip is truncated or another file: {message}"):
        bonn_eeg.read_segments(zipped(tmp_path / "x.zip", files))


# Genotypes


def test_genotypes_are_read_from_two_bits_each(tmp_path: Path) -> None:
    """The codes of PLINK: 0 has no copy of A2, 1 is missing, 2 has one, 3 has two."""
    path = tmp_path / "x.bed"
    path.write_bytes(snp_europe.MAGIC + bytes([0b11_10_01_00, 0b10, 0b00_00_11_11, 0b01]))
    codes = snp_europe.parse_bed(path, 5, 2)
    assert_array_equal(codes.T, [[0, 1, 2, 3, 2], [3, 3, 0, 0, 1]])
    copies = [[0, np.nan, 1, 2, 1], [2, 2, 0, 0, np.nan]]
    assert_array_equal(snp_europe.COPIES[codes].T, copies)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a PLINK .bed file, which starts with 6c1b01, got an empty file"),
        (b"<html>", "expected a PLINK .bed file, which starts with 6c1b01, got 3c6874"),
        (snp_europe.MAGIC + b"123", "expected 7 bytes for 2 SNPs of 5 people, got 6 bytes"),
        (snp_europe.MAGIC + b"12345", "expected 7 bytes for 2 SNPs of 5 people, got 8 bytes"),
    ],
)
def test_other_genotypes_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.bed"
    path.write_bytes(content)
    with pytest.raises(TableError, match=f"x.bed is truncated or another file: {message}"):
        snp_europe.parse_bed(path, 5, 2)


@slow
def test_the_mean_of_each_snp_is_the_one_of_gaston(real_data: Path) -> None:
    from datasets._r_file import read_object

    X = load("snp_europe").X.astype(np.float64)
    gaston = read_object(location(snp_europe.data_files()[1]))
    np.testing.assert_allclose(np.nanmean(X, axis=0), gaston.mu, rtol=1e-12)
    assert np.minimum(gaston.p, 1 - gaston.p).min() >= 0.05


# RNA mixtures

COUNTS = '"A1","B2"\n"g1",1,2\n"g2",0,5\n"g3",3,3\n'
WELLS = '"H2228_prop","H1975_prop","HCC827_prop"\n"A1",0.68,0.16,0.16\n"B2",0.33,0.33,0.33\n'


def pair(tmp_path: Path, counts: str = COUNTS, wells: str = WELLS) -> tuple[Path, Path]:
    paths = tmp_path / "x.count.csv", tmp_path / "x.metadata.csv"
    for path, text in zip(paths, (counts, wells), strict=True):
        path.write_text(text)
    return paths


def test_a_mixture_is_the_percent_of_the_three_lines(tmp_path: Path) -> None:
    arrays = rna_mixtures.read_protocol(*pair(tmp_path))
    assert [MIXTURES[code] for code in arrays["y"]] == ["68/16/16", "33/33/33"]
    assert arrays["genes"].tolist() == ["g1", "g2", "g3"]
    assert_array_equal(arrays["counts"], [[1, 0, 3], [2, 5, 3]])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"counts": ""}, "count.csv .*expected a packed CSV, got EmptyDataError"),
        ({"wells": "<html>"}, "metadata.csv .*expected columns H2228_prop.*, got no H2228_prop"),
        ({"counts": COUNTS.replace("5", "x")}, "count.csv .*expected whole numbers, got .*'x'"),
        ({"counts": COUNTS.replace("B2", "B3")}, "expected the 2 wells of x.count.csv, got 2"),
        ({"wells": WELLS.replace("0.68", "0.50")}, "expected mixtures of .*got 50/16/16"),
    ],
)
def test_other_tables_of_wells_are_refused(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    with pytest.raises(TableError, match=message):
        rna_mixtures.read_protocol(*pair(tmp_path, **files))


def test_a_cut_table_of_wells_is_refused(real_data: Path, tmp_path: Path) -> None:
    counts, wells = (location(file) for file in rna_mixtures.data_files())
    if not counts.is_file():
        pytest.skip(f"missing data file: {counts}")
    cut = tmp_path / counts.name
    cut.write_bytes(counts.read_bytes()[:-1_000])
    with pytest.raises(TableError, match=f"{cut} is truncated .*a packed CSV, got EOFError"):
        rna_mixtures.read_protocol(cut, wells)


def test_a_transfer_has_the_genes_of_both_protocols(real_data: Path) -> None:
    both = load("rna_mixtures", protocol="transfer", preparation="counts")
    for protocol, rows in zip(("celseq2", "sortseq"), both.official_split, strict=True):
        files = rna_mixtures.data_files(protocol=protocol)
        part = rna_mixtures.read_protocol(*map(location, files))
        places = [part["genes"].tolist().index(gene) for gene in both.features[::1_000]]
        assert_array_equal(both.X[rows, ::1_000], part["counts"][:, places])
        assert_array_equal(both.y[rows], part["y"])
    alone = load("rna_mixtures", protocol="sortseq", preparation="counts")
    assert alone.features == tuple(part["genes"])
    assert_array_equal(alone.X, part["counts"])


# Cells


@slow
def test_rare_cell_types_are_left_out_and_named(real_data: Path) -> None:
    table = load("baron_mouse")
    assert table.notes == {"left out": RARE}
    assert all(f"{name} {n}" in str(baron_mouse.__doc__) for name, n in RARE.items())
    assert load("baron_mouse", min_cells=100).classes == ("beta", "ductal")


@slow
def test_log_counts_of_a_cell_use_no_other_cell(real_data: Path) -> None:
    counts = load("baron_mouse", preparation="counts").X[7].astype(float)
    expected = np.log2(1 + 1e6 * counts / counts.sum())
    np.testing.assert_allclose(load("baron_mouse").X[7], expected, rtol=1e-5)


@slow
def test_only_the_last_feature_of_cell_cycle_has_impossible_values(real_data: Path) -> None:
    X = load("cell_cycle").X
    assert X[:, :-1].max() < 5.1
    damaged = (X[:, -1] > 0) & (X[:, -1] == np.round(X[:, -1]))
    assert (damaged.sum(), X[:, -1].max()) == (36, 9)


# Reviews


@slow
def test_words_come_from_training_reviews(real_data: Path) -> None:
    tables = [load("movie_reviews", fold=fold) for fold in (0, 9)]
    for table, fold in zip(tables, (0, 9), strict=True):
        train, test = table.official_split
        assert (table.X[train] > 0).sum(axis=0).min() == 5
        # Rows are sorted by class and number.
        assert_array_equal(test, np.flatnonzero(np.arange(2_000) % 1_000 // 100 == fold))
    assert len(set(tables[0].features) ^ set(tables[1].features)) > 500


# R's files


@pytest.mark.parametrize("module", R_MODULES, ids=lambda module: module.__name__)
def test_a_file_that_is_not_from_r_is_refused(module: Any, tmp_path: Path) -> None:
    pytest.importorskip("rdata")
    paths = [tmp_path / Path(file.path).name for file in module.data_files()]
    for path in paths:
        path.write_bytes(b"<html>not found</html>")
    read = getattr(module, "read_files", None) or module.read_file
    with pytest.raises(TableError, match=rf"{tmp_path}/.* expected a file of R's save.*, got "):
        read(*paths)


@pytest.mark.parametrize("module", R_MODULES, ids=lambda module: module.__name__)
@pytest.mark.parametrize("kind", ["cut", "another file"])
def test_a_cut_file_of_r_and_another_one_are_refused(
    module: Any, kind: str, real_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("rdata")
    files = [*module.data_files(), *baron_mouse.data_files()]
    if any(not location(file).is_file() for file in files):
        pytest.skip("missing data files")
    *own, _, other = (location(file) for file in files)
    paths = [tmp_path / path.name for path in own]
    for source, path in zip(own, paths, strict=True):
        if kind == "cut":
            path.write_bytes(source.read_bytes()[:-500])
        else:
            shutil.copy(other, path)
    read = getattr(module, "read_files", None) or module.read_file
    with pytest.raises(TableError, match=rf"{tmp_path}/.* is truncated .*expected .*, got "):
        read(*paths)


# Madelon

SIZES = {"N_TRAIN": 8, "N_TEST": 4, "N_FEATURES": 5}
VALUES = np.random.default_rng(0).integers(300, 700, (12, 5))
SIGNS = np.tile([[-1], [1]], (6, 1))


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the expected sizes to those of VALUES."""
    for name, size in SIZES.items():
        monkeypatch.setattr(madelon, name, size)


def mat(tmp_path: Path, **matrices: Any) -> Path:
    savemat(tmp_path / "x.mat", matrices)
    return tmp_path / "x.mat"


@pytest.mark.parametrize("kind", [np.asarray, np.float64, np.int16])
def test_whole_numbers_and_signs_are_read(
    sizes: None, tmp_path: Path, kind: Callable[..., Any]
) -> None:
    X, y = madelon.parse_mat(mat(tmp_path, X=kind(VALUES), Y=kind(SIGNS)))
    assert (X.dtype, y.dtype) == (np.float32, np.int64)
    assert_array_equal(X, VALUES)
    assert_array_equal(y, SIGNS[:, 0] > 0)


@pytest.mark.parametrize(
    ("matrices", "message"),
    [
        ({"X": VALUES}, "the matrices X and Y, got no Y"),
        ({"X": VALUES[:, :4], "Y": SIGNS}, r"X of \(12, 5\) .*got \(12, 4\) and \(12, 1\)"),
        ({"X": VALUES, "Y": SIGNS[:9]}, r"got \(12, 5\) and \(9, 1\)"),
        ({"X": VALUES + 0.5, "Y": SIGNS}, r"whole numbers in 0..999, got values in 3"),
        ({"X": VALUES + 600, "Y": SIGNS}, r"whole numbers in 0..999, got values in 9"),
        ({"X": VALUES * np.nan, "Y": SIGNS}, "whole numbers in 0..999, got values in nan"),
        ({"X": VALUES, "Y": SIGNS + 1}, r"labels \(-1, 1\) in Y, got \[0 2\]"),
    ],
)
def test_another_matrix_is_refused(
    sizes: None, tmp_path: Path, matrices: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(TableError, match=f"x.mat is truncated or another file.*{message}"):
        madelon.parse_mat(mat(tmp_path, **matrices))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_a_file_that_is_not_from_matlab_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """`None` stands for a truncated file."""
    path = mat(tmp_path, X=VALUES, Y=SIGNS)
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    with pytest.raises(TableError, match=r"truncated .*expected a MATLAB 5 file, got .*\.sha256"):
        madelon.parse_mat(path)


def test_the_last_rows_of_madelon_are_the_test(
    sizes: None, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = mat(tmp_path, X=VALUES, Y=SIGNS).read_bytes()
    monkeypatch.setattr(madelon, "ADDRESSES", (server.put("madelon.mat", content),))
    with pytest.warns(UserWarning, match="no checksum is published .* kept in madelon"):
        table = madelon.load()
    assert_array_equal(table.X, VALUES)
    assert (table.name, table.classes) == ("madelon", ("-1", "+1"))
    assert [rows.tolist() for rows in table.official_split] == [[*range(8)], [8, 9, 10, 11]]


def test_a_madelon_in_another_order_has_no_official_split(
    sizes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mat(tmp_path, X=VALUES, Y=np.sort(SIGNS, axis=0))
    monkeypatch.setattr(madelon, "fetch", lambda file: path)
    with pytest.raises(TableError, match=r"expected 4 samples .* rows 0 to 7, got 6 and 2\..*none"):
        madelon.load()
    assert madelon.load(split="none").official_split is None


@pytest.mark.network
@pytest.mark.parametrize("address", madelon.ADDRESSES)
def test_each_address_sends_madelon(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    monkeypatch.setattr(madelon, "ADDRESSES", (address,))
    with pytest.warns(UserWarning, match="trusted"):
        assert madelon.load().n_samples == 2_600


# All


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_wrong_bytes_are_not_used(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    files = module.data_files()
    for file in files:
        location(file).parent.mkdir(parents=True, exist_ok=True)
        location(file).write_bytes(b"wrong")
    if module is madelon:  # trusted on first use, so its reader refuses the content
        with pytest.warns(UserWarning, match="trusted"), pytest.raises(TableError, match="MATLAB"):
            module.load()
        return
    expected = rf"{location(files[0])} is corrupt: expected {files[0].checksum}, found sha256:"
    with pytest.raises(DataUnavailable, match=expected):
        module.load()


@pytest.mark.parametrize(
    ("module", "params", "message"),
    [
        (spoken_digits, {"split": "random"}, "split of official, speaker, none, got 'random'"),
        (madelon, {"split": "speaker"}, "split of official, none, got 'speaker'"),
        (rna_mixtures, {"protocol": "10x"}, "protocol of celseq2, sortseq, transfer, got '10x'"),
        (movie_reviews, {"fold": 10}, r"fold in 0\.\.9, got 10"),
        (movie_reviews, {"fold": -1}, r"fold in 0\.\.9, got -1"),
        (baron_mouse, {"min_cells": 0}, r"min_cells in 1\.\.236, got 0"),
        (baron_mouse, {"min_cells": 237}, r"min_cells in 1\.\.236, got 237"),
    ],
)
def test_a_wrong_parameter_is_named(module: Any, params: dict[str, Any], message: str) -> None:
    name = module.__name__.rpartition(".")[2]
    with pytest.raises(TableError, match=f"'{name}': expected {message}"):
        module.load(**params)


def test_an_unknown_preparation_is_named(real_data: Path) -> None:
    with pytest.raises(TableError, match="'rna_mixtures': expected preparation of counts, log_cpm"):
        load("rna_mixtures", preparation="cpm")
