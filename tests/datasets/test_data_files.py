"""The files of every dataset: their names, checksums, sizes and addresses."""

import inspect
from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest

from bench.catalog import entries
from datasets import bonn_eeg, fashion_mnist, gisette, mnist, spoken_digits, tcga
from datasets.fetch import FIRST_SEEN, DataFile, fetch, state
from datasets.table import TableError

DATASETS = entries("datasets")
DOWNLOADED = [
    *(mnist.data_files()[3], tcga.data_files(types="CHOL")[0]),
    *(*fashion_mnist.data_files(), *gisette.data_files()),
    *(*spoken_digits.data_files(), *bonn_eeg.data_files()),
]
ADDRESSES = [
    pytest.param(DataFile(file.path, (address,), file.checksum), id=address)
    for file in DOWNLOADED
    for address in file.addresses
]
HEX_DIGITS = {"md5": 32, "blob": 40, "tree": 40, "sha256": 64}


@pytest.mark.parametrize("name", DATASETS)
def test_the_catalogue_lists_the_files_of_the_defaults(name: str) -> None:
    """The catalogue reads FILES as text. Both functions have the same parameters."""
    module = DATASETS[name].load()
    files = module.data_files()
    assert DATASETS[name].files == tuple(file.path for file in files)
    parameters = [inspect.signature(f).parameters for f in (module.load, module.data_files)]
    assert parameters[0] == parameters[1]
    for file in files:
        assert file.addresses
        kind, hexadecimal = file.checksum.split(":")
        names = {unquote(PurePosixPath(address).name) for address in file.addresses}
        # A zip of a repository has the name of the commit.
        assert kind == "tree" or names == {PurePosixPath(file.path).name}
        assert file.checksum == FIRST_SEEN or len(hexadecimal) == HEX_DIGITS[kind]
    checksums = [file.checksum for file in files if file.checksum != FIRST_SEEN]
    assert len(set(checksums)) == len(checksums)


@pytest.mark.parametrize(
    ("name", "parameter", "n", "largest"),
    [
        *(("mnist", "n_train", n, 60_000) for n in (0, -1, 60_001)),
        *(("mnist", "n_test", n, 10_000) for n in (0, 10_001)),
        *(("fashion_mnist", "n_train", n, 60_000) for n in (0, 60_001)),
        *(("gisette", "n_train", n, 6_000) for n in (0, 6_001)),
        ("gisette", "n_test", 1_001, 1_000),
    ],
)
def test_a_number_of_samples_out_of_range_is_refused(
    name: str, parameter: str, n: int, largest: int
) -> None:
    expected = rf"'{name}': expected {parameter} in 1\.\.{largest}, got {n}"
    with pytest.raises(TableError, match=expected):
        DATASETS[name].load().load(**{parameter: n})


@pytest.mark.parametrize("file", [*mnist.data_files(), *tcga.data_files()], ids=lambda f: f.path)
def test_the_real_files_are_whole(real_data: object, file: DataFile) -> None:
    assert state(file) == "present"


@pytest.mark.network
@pytest.mark.parametrize("file", ADDRESSES)
def test_each_address_sends_the_file(
    file: DataFile, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    assert fetch(file).is_file()
