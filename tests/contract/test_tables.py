"""The contract of datasets and generators: documented, typed, repeatable, described."""

import inspect

import pytest

from bench.catalog import entries
from datasets.table import DataUnavailable, Table

SMALL = {  # sizes that a test can afford; others are made with their defaults
    "nihs": {"n_samples": 60, "n_features": 40, "needles": "random"},
    "expression": {"n_samples": 120, "n_features": 80, "n_classes": 3},
    "shuffled_mnist": {"base": "digits"},
    "mnist": {"n_train": 200, "n_test": 50},
    "fashion_mnist": {"n_train": 200, "n_test": 50},
    "gisette": {"n_train": 200, "n_test": 50},
    "madelon": {"n_samples": 320, "n_features": 60},
    "ringnorm": {"n_samples": 300, "n_noise": 20},
}
TABLES = sorted([*entries("datasets"), *entries("generators")])
GENERATORS = sorted(entries("generators"))


def load(name: str, **params: object) -> Table:
    entry = (entries("datasets") | entries("generators"))[name]
    try:
        return entry.load().load(**SMALL.get(name, {}), **params)
    except DataUnavailable as error:
        pytest.skip(f"no data here: {str(error)[:80]}")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_what_it_is(name: str, real_data: object) -> None:
    table = load(name)
    assert isinstance(table, Table)
    assert table.source.citation
    assert table.source.licence
    assert (entries("datasets") | entries("generators"))[name].summary


@pytest.mark.parametrize("name", TABLES)
def test_the_same_parameters_give_the_same_bits(name: str, real_data: object) -> None:
    assert load(name).checksum == load(name).checksum


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_follows_its_seed(name: str, real_data: object) -> None:
    assert load(name, seed=1).checksum != load(name, seed=2).checksum


@pytest.mark.parametrize("name", TABLES)
def test_parameters_are_keywords_with_types_and_defaults(name: str) -> None:
    load_ = (entries("datasets") | entries("generators"))[name].load().load
    for parameter in inspect.signature(load_).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.annotation is not inspect.Parameter.empty
        assert parameter.default is not inspect.Parameter.empty
