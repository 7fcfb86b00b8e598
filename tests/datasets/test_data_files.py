"""What every dataset states of its files holds, and the addresses do send them."""

import inspect

import pytest

from bench.catalog import entries
from datasets import mnist, tcga
from datasets.fetch import DataFile, fetch, state

DATASETS = entries("datasets")
DOWNLOADED = [mnist.data_files()[3], tcga.data_files(types="CHOL")[0]]
ADDRESSES = [
    pytest.param(DataFile(file.path, (address,), file.checksum), id=address)
    for file in DOWNLOADED
    for address in file.addresses
]


@pytest.mark.parametrize("name", DATASETS)
def test_the_literal_files_are_those_of_the_defaults(name: str) -> None:
    """The catalogue reads FILES as text; `load` and `data_files` take the same parameters."""
    module = DATASETS[name].load()
    files = module.data_files()
    assert DATASETS[name].files == tuple(file.path for file in files)
    assert all(file.addresses for file in files)
    parameters = [inspect.signature(f).parameters for f in (module.load, module.data_files)]
    assert parameters[0] == parameters[1]


@pytest.mark.parametrize("file", [*mnist.data_files(), *tcga.data_files()], ids=lambda f: f.path)
def test_the_real_files_are_whole(real_data: object, file: DataFile) -> None:
    assert state(file) == "at hand"


@pytest.mark.network
@pytest.mark.parametrize("file", ADDRESSES)
def test_each_address_sends_the_file(
    file: DataFile, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPMAPPER_DATA", str(tmp_path))
    assert fetch(file).is_file()
