"""Errors in specs are explained with the nearest known name."""

import pytest

from bench.catalog import profiles
from bench.cell import content_hash, expand
from bench.errors import BenchError
from bench.spec import load_spec, parse_spec

PART = 'name = "part"\ndatasets = ["digits"]\nmethods = ["majority"]\n'
GOOD = 'name = "x"\ndatasets = ["digits"]\nmethods = ["majority"]\n'


def test_the_shipped_profiles_are_valid_and_expand() -> None:
    for name in profiles():
        spec, _ = load_spec(name)
        cells = expand(spec, "cpu")
        n = sum(len(g.datasets) * len(g.methods) * len(g.seeds or spec.seeds) for g in spec.grids())
        assert len(cells) == n
        assert len({cell.key("checksum") for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "sedes = [1]", "unknown key 'sedes'.*Did you mean 'seeds'"),
        (GOOD + 'seeds = ["a"]', "seeds.0: Input should be a valid integer"),
        (GOOD + "seeds = []", "seeds"),
        (GOOD + "jobs = 0", "jobs"),
        (GOOD + "test_fraction = 1.5", "test_fraction"),
        (GOOD + "[limits]\ntimeout = 3", "unknown key 'timeout'.*cpu_seconds"),
        (GOOD + "[[", "not valid TOML"),
        ('name = "x"\nmethods = ["majority"]', "needs `datasets`"),
        ('name = "x"\ndatasets = ["digits"]\nmethods = [{name="mlp", parms={}}]', "'params'"),
        ('name = "x"\ndatasets = ["digits"]\nmethods = ["mlp", "mlp"]', "share the label 'mlp'"),
        (GOOD + "[[experiments]]\n" + PART, "put `datasets` and `methods` into one of them"),
        ('name = "x"\n[[experiments]]\n' + PART + "seed = [1]", "unknown key 'seed'.*'seeds'"),
        ('name = "x"\n[[experiments]]\n' + PART + 'split = "odd"', "split.*got 'odd'"),
        ('name = "x"\n' + 2 * ("[[experiments]]\n" + PART), "share the name 'part'"),
    ],
)
def test_a_wrong_spec_is_explained(text: str, message: str) -> None:
    with pytest.raises(BenchError, match=f"(?s){message}"):
        parse_spec(text, "test.toml")


def test_an_experiment_without_methods_has_those_of_the_spec() -> None:
    text = (
        'name = "x"\nmethods = ["majority"]\n[[experiments]]\nname = "a"\ndatasets = ["digits"]\n'
    )
    other = (
        '[[experiments]]\nname = "b"\nseeds = [3]\ndatasets = ["hypercube"]\nmethods = ["stump"]\n'
    )
    points = [cell.grid_point for cell in expand(parse_spec(text + other, "test.toml"), "cpu")]
    assert points == [("digits", "majority", 0), ("hypercube", "stump", 3)]
    with pytest.raises(BenchError, match="needs `methods`"):
        parse_spec(text.replace('methods = ["majority"]\n', ""), "test.toml")


@pytest.mark.parametrize(
    ("datasets", "methods", "message"),
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
    datasets: str, methods: str, message: str
) -> None:
    spec = parse_spec(f'name = "x"\ndatasets = {datasets}\nmethods = {methods}\n', "test.toml")
    with pytest.raises(BenchError, match=f"(?s){message}"):
        expand(spec, "cpu")


def test_a_method_is_added_to_every_grid_with_its_defaults() -> None:
    spec = parse_spec(SEVERAL, "t")
    cells = expand(spec, "cpu", methods=["logistic"], added=["logistic", "stump"])
    assert {(cell.label, cell.seed) for cell in cells} == {("logistic", seed) for seed in (0, 1, 5)}
    assert len(expand(spec, "cpu", added=["stump"])) == len(expand(spec, "cpu")) + 1
    with pytest.raises(BenchError, match="--with NAME adds"):
        expand(spec, "cpu", methods=["logistic"])
    with pytest.raises(BenchError, match="Did you mean 'logistic'"):
        expand(spec, "cpu", added=["logistik"])


def test_a_sample_is_drawn_by_its_seed() -> None:
    spec, _ = load_spec("wide_small")
    everything = expand(spec, "cpu")
    drawn = expand(spec, "cpu", sample=0.1, sample_seed=1)
    assert len(drawn) == round(len(everything) / 10)
    assert drawn == [cell for cell in everything if cell in drawn]  # in the order of the spec
    assert drawn == expand(spec, "cpu", sample=0.1, sample_seed=1)
    assert drawn != expand(spec, "cpu", sample=0.1, sample_seed=2)
    assert len(expand(spec, "cpu", sample=1e-9)) == 1


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


SEVERAL = """
name = "several"
seeds = [0, 1]
[[experiments]]
name = "first"
datasets = ["digits"]
methods = ["majority", "stump"]
[[experiments]]
name = "second"
seeds = [5]
split = "random"
datasets = ["digits"]
methods = [{name = "mlp", label = "network"}]
"""


def test_experiments_have_their_own_methods_seeds_and_splits() -> None:
    cells = expand(parse_spec(SEVERAL, "t"), "cpu")
    assert [(cell.label, cell.seed, cell.split) for cell in cells] == [
        ("majority", 0, "stratified"),
        ("stump", 0, "stratified"),
        ("majority", 1, "stratified"),
        ("stump", 1, "stratified"),
        ("network", 5, "random"),
    ]
    chosen = expand(parse_spec(SEVERAL, "t"), "cpu", methods=["stump"], seeds=[3])
    assert [(cell.label, cell.seed) for cell in chosen] == [("stump", 3)]


def test_a_grid_and_an_experiment_of_the_same_content_are_the_same_cells() -> None:
    part = expand(parse_spec('name = "x"\n[[experiments]]\n' + PART, "t"), "cpu")
    assert [cell.key("c") for cell in part] == [
        cell.key("c") for cell in expand(parse_spec(GOOD, "t"), "cpu")
    ]
    random = PART + 'split = "random"\n'
    other = expand(parse_spec('name = "x"\n[[experiments]]\n' + random, "t"), "cpu")
    assert other[0].key("c") != part[0].key("c")


def test_one_cell_has_one_label() -> None:
    twice = GOOD.replace('["majority"]', '["majority", {name = "majority", label = "most"}]')
    with pytest.raises(BenchError, match=r"'most' on 'digits' .* is the same cell as 'majority'"):
        expand(parse_spec(twice, "t"), "cpu")


def test_one_label_has_one_meaning_on_a_table() -> None:
    text = SEVERAL.replace("seeds = [5]", "").replace('label = "network"', 'label = "stump"')
    with pytest.raises(BenchError, match="'second' has another 'stump' on 'digits'"):
        expand(parse_spec(text, "t"), "cpu")


def test_resources_are_the_most_that_table_and_method_ask_for() -> None:
    spec = parse_spec(
        'name = "r"\ndatasets = [{name = "digits", resources = {memory_mib = 9000, cores = 2}}]\n'
        'methods = ["majority", {name = "mlp", resources = {cores = 4, gpus = 1}}]\n',
        "r.toml",
    )
    resources = {cell.label: cell.resources for cell in expand(spec, "cpu")}
    assert resources == {
        "majority": {"cores": 2, "memory_mib": 9000},
        "mlp": {"cores": 4, "memory_mib": 9000, "gpus": 1},
    }
