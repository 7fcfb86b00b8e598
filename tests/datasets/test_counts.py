"""The preparation of counts, dense and sparse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from datasets._counts import prepare_counts
from datasets.table import TableError

COUNTS = np.array([[0, 1, 3], [0, 0, 0], [999_998, 1, 1]], dtype=np.float32)


def test_counts_stay_as_they_are() -> None:
    assert prepare_counts("t", COUNTS, "counts") is COUNTS


def test_log_cpm_is_the_logarithm_of_counts_per_million() -> None:
    prepared = prepare_counts("t", COUNTS, "log_cpm")
    assert prepared.dtype == np.float32
    per_million = [[0, 250_000, 750_000], [0, 0, 0], [999_998, 1, 1]]
    assert_allclose(prepared, np.log2(1 + np.array(per_million)), rtol=1e-6)


def test_a_row_does_not_depend_on_the_others() -> None:
    assert_array_equal(
        prepare_counts("t", COUNTS, "log_cpm")[2:], prepare_counts("t", COUNTS[2:], "log_cpm")
    )


def test_sparse_counts_give_the_same_values_and_stay_sparse() -> None:
    X = sparse.csr_matrix(COUNTS)
    prepared = prepare_counts("t", X, "log_cpm")
    assert isinstance(prepared, sparse.csr_matrix)
    assert prepared.dtype == np.float32
    assert prepared.nnz == X.nnz
    assert_array_equal(prepared.toarray(), prepare_counts("t", COUNTS, "log_cpm"))
    assert_array_equal(X.toarray(), COUNTS)


def test_an_unknown_preparation_is_refused() -> None:
    with pytest.raises(TableError, match="'t': expected preparation of counts, log_cpm, got 'tpm'"):
        prepare_counts("t", COUNTS, "tpm")
