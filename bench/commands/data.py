"""List, verify and download the data files of the datasets."""

from collections.abc import Iterator

from rich.table import Table as Listing

from bench.catalog import entries
from bench.errors import unknown
from datasets.fetch import DataFile, data_folder, fetch, state
from datasets.table import DataUnavailable


def data_files(name: str | None) -> Iterator[tuple[str, DataFile]]:
    """Yield (dataset, file) of one dataset or all. BenchError for an unknown name."""
    datasets = entries("datasets")
    if name is not None and name not in datasets:
        raise unknown(name, "dataset", datasets)
    for dataset in [name] if name else datasets:
        module = datasets[dataset].load()
        for file in module.data_files() if hasattr(module, "data_files") else []:
            yield dataset, file


def files_table(name: str | None, *, verify: bool) -> Listing:
    """Make a table of the files and their state. `verify` compares checksums."""
    rows = Listing("dataset", "file", "state", title=f"below {data_folder()}", title_justify="left")
    for dataset, file in data_files(name):
        rows.add_row(dataset, file.path, state(file) if verify else _presence(file))
    return rows


def fetch_files(name: str | None) -> Iterator[str]:
    """Download missing files. Yield a line for each file."""
    for dataset, file in data_files(name):
        try:
            yield f"{dataset}: {fetch(file)}"
        except DataUnavailable as error:
            yield f"{dataset}: unavailable: {error}"


def _presence(file: DataFile) -> str:
    path = data_folder() / file.path
    return f"{path.stat().st_size / 2**20:.1f} MiB" if path.is_file() else "missing"
