"""The contract of datasets and generators: documented, typed and repeatable."""

import inspect

import pytest

from bench.catalog import entries
from datasets.table import DataUnavailable, Table

SMALL = {  # sizes that are quick enough for a test. Other tables have their defaults.
    "nihs": {"n_samples": 60, "n_features": 40, "needles": "random"},
    "expression": {"n_samples": 120, "n_features": 80, "n_classes": 3},
    "shuffled_mnist": {"base": "digits"},
    "controls": {"base": "needles", "base_params": {"n_samples": 60, "n_features": 40}},
    "mnist": {"n_train": 200, "n_test": 50},
    "fashion_mnist": {"n_train": 200, "n_test": 50},
    "gisette": {"n_train": 200, "n_test": 50},
    "hypercube": {"n_samples": 320, "n_features": 60},
    "ringnorm": {"n_samples": 300, "n_noise": 20},
}
# Reading their files for the first time takes up to half a minute.
SLOW = ("hmp_body_sites", "movie_reviews", "pancan12_mutations", "risk_ileum", "spoken_digits")
ENTRIES = entries("datasets") | entries("generators")
TABLES = [
    pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in sorted(ENTRIES)
]
GENERATORS = sorted(entries("generators"))


def load(name: str, **params: object) -> Table:
    try:
        return ENTRIES[name].load().load(**SMALL.get(name, {}), **params)
    except DataUnavailable as error:
        pytest.skip(f"no data here: {str(error)[:80]}")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_a_source_and_a_summary(name: str, real_data: object) -> None:
    table = load(name)
    assert isinstance(table, Table)
    assert table.source.citation
    assert table.source.licence
    assert ENTRIES[name].summary


@pytest.mark.parametrize("name", TABLES)
def test_the_same_parameters_give_the_same_bits(name: str, real_data: object) -> None:
    assert load(name).checksum == load(name).checksum


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_follows_its_seed(name: str, real_data: object) -> None:
    assert load(name, seed=1).checksum != load(name, seed=2).checksum


@pytest.mark.parametrize("name", TABLES)
def test_parameters_are_keywords_with_types_and_defaults(name: str) -> None:
    for parameter in inspect.signature(ENTRIES[name].load().load).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.annotation is not inspect.Parameter.empty
        assert parameter.default is not inspect.Parameter.empty
