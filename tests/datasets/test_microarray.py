"""Microarrays in the format of R."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rdata", reason="optional: pip install rdata")

from datasets import microarray
from datasets.fetch import location
from datasets.table import TableError

SHAPES = {"gravier": (168, 2_905, 2), "nakayama": (105, 22_283, 10)}


@pytest.mark.parametrize("study", SHAPES)
def test_the_real_table_is_the_published_one(real_data: object, study: str) -> None:
    file = microarray.data_files(study=study)[0]
    if not location(file).is_file():
        pytest.skip(f"missing data file: {file.path}")
    table = microarray.load(study=study)
    assert (table.n_samples, table.n_features, table.n_classes) == SHAPES[study]
    assert np.isfinite(table.X).all()
    if study == "gravier":
        sizes = dict(zip(table.classes, np.bincount(table.y), strict=True))
        assert sizes == {"good": 111, "poor": 57}


def test_an_unknown_study_is_named() -> None:
    with pytest.raises(TableError, match="no study 'golub'; expected one of: gravier, nakayama"):
        microarray.load(study="golub")


def test_a_file_that_is_not_from_r_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gravier.RData"
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(TableError, match="expected an R list 'gravier'"):
        microarray.read_study(path)
