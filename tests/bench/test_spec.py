"""Specs: what is wrong in them is said with the nearest right name."""

import pytest

from bench.catalog import profiles
from bench.cell import content_hash, expand
from bench.errors import BenchError
from bench.spec import load_spec, parse_spec

GOOD = 'name = "x"\ndatasets = ["digits"]\nmethods = ["majority"]\n'


def test_the_shipped_profiles_are_valid_and_expand() -> None:
    for name in profiles():
        spec, _ = load_spec(name)
        cells = expand(spec, "cpu")
        assert len(cells) == len(spec.datasets) * len(spec.methods) * len(spec.seeds)
        assert len({cell.key("checksum") for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "sedes = [1]", "unknown key 'sedes'.*Did you mean 'seeds'"),
        (GOOD + 'seeds = ["a"]', "seeds.0: Input should be a valid integer"),
        (GOOD + "seeds = []", "seeds"),
        (GOOD + "jobs = 0", "jobs"),
        (GOOD + "test_fraction = 1.5", "test_fraction"),
        (GOOD + "[limits]\ntimeout = 3", "unknown key 'timeout'.*timeout_seconds"),
        (GOOD + "[[", "not valid TOML"),
        ('name = "x"\nmethods = ["majority"]', "datasets: Field required"),
        ('name = "x"\ndatasets = ["digits"]\nmethods = [{name="mlp", parms={}}]', "'params'"),
        ('name = "x"\ndatasets = ["digits"]\nmethods = ["mlp", "mlp"]', "share the label 'mlp'"),
    ],
)
def test_a_wrong_spec_is_explained(text: str, says: str) -> None:
    with pytest.raises(BenchError, match=f"(?s){says}"):
        parse_spec(text, "test.toml")


@pytest.mark.parametrize(
    ("datasets", "methods", "says"),
    [
        ('["digist"]', '["majority"]', "unknown dataset 'digist'.*Did you mean 'digits'"),
        ('["digits"]', '["majorty"]', "unknown method 'majorty'.*Did you mean 'majority'"),
        (
            '["digits"]',
            '[{name = "mlp", params = {hiden = 3}}]',
            "unknown parameter 'hiden'.*'hidden'",
        ),
        ('["digits"]', '[{name = "mlp", params = {hidden = "3"}}]', "'hidden'.*got '3'"),
        ('["digits"]', '[{name = "cnn1d", params = {architecture = "x"}}]', "'strided' or 'tc1'"),
        ('[{name = "nihs", params = {n_samples = 0.5}}]', '["mlp"]', "'n_samples'.*got 0.5"),
    ],
)
def test_unknown_names_and_wrong_types_are_explained(
    datasets: str, methods: str, says: str
) -> None:
    spec = parse_spec(f'name = "x"\ndatasets = {datasets}\nmethods = {methods}\n', "test.toml")
    with pytest.raises(BenchError, match=f"(?s){says}"):
        expand(spec, "cpu")


def test_keys_follow_content_and_nothing_else() -> None:
    def keys(text: str) -> list[str]:
        return [cell.key("c") for cell in expand(parse_spec(text, "t"), "cpu")]

    assert keys(GOOD) == keys(GOOD.replace('"x"', '"another name"'))
    labelled = GOOD.replace('["majority"]', '[{name = "majority", label = "most"}]')
    assert keys(GOOD) == keys(labelled)
    assert keys(GOOD) != keys("seeds = [7]\n" + GOOD)
    assert keys(GOOD) != keys("test_fraction = 0.5\n" + GOOD)
    cell = expand(parse_spec(GOOD, "t"), "cpu")[0]
    assert cell.key("c") != cell.key("another table")
    assert expand(parse_spec(GOOD, "t"), "cuda")[0].key("c") != cell.key("c")


def test_a_hash_of_content_is_the_same_everywhere() -> None:
    assert content_hash({"b": [1, 2.5], "a": None}) == "e57f5d37865437a82e1108bafb4e5213"
