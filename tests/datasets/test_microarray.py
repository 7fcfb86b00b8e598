"""Microarrays in the format of R."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rdata", reason="optional: pip install rdata")

from datasets import microarray
from datasets.fetch import location
from datasets.table import TableError

# Shape, sizes of the classes in alphabetical order, and the first digits of the checksum.
TABLES = {
    "gravier": ((168, 2_905), [111, 57], "a052e774f980"),
    "nakayama": ((105, 22_283), [15, 4, 6, 3, 21, 3, 15, 19, 16, 3], "43ae720468c4"),
}


@pytest.mark.parametrize("study", TABLES)
def test_the_real_table_is_the_published_one(real_data: object, study: str) -> None:
    file = microarray.data_files(study=study)[0]
    if not location(file).is_file():
        pytest.skip(f"missing data file: {file.path}")
    table = microarray.load(study=study)
    shape, sizes, checksum = TABLES[study]
    assert (table.X.shape, np.bincount(table.y).tolist()) == (shape, sizes)
    assert list(table.classes) == sorted(table.classes)
    assert (table.n_missing, table.groups, table.official_split) == (0, None, None)
    assert table.checksum.startswith(checksum)


def test_an_unknown_study_is_named() -> None:
    with pytest.raises(TableError, match="no study 'golub'; expected one of: gravier, nakayama"):
        microarray.load(study="golub")


def test_a_file_that_is_not_from_r_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gravier.RData"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(TableError, match="expected an R list 'gravier'"):
        microarray.read_study(path)
