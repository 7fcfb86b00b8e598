"""An entry of a spec with a grid of parameters."""

import pytest

from bench.errors import BenchError
from bench.spec import parse_spec

GRID = """{name = "deepmapper", label = "{layout} / {gate}", params = {passes = 1},
grid = {layout = ["natural", "random"], gate = [true, false]}}""".replace("\n", " ")


def test_a_grid_is_an_entry_for_each_combination() -> None:
    spec = parse_spec(f'name = "g"\ndatasets = ["digits"]\nmethods = ["mlp", {GRID}]\n', "g.toml")
    assert {choice.label: choice.params for choice in spec.methods} == {
        "mlp": {},
        "natural / gate": {"passes": 1, "layout": "natural", "gate": True},
        "natural / no gate": {"passes": 1, "layout": "natural", "gate": False},
        "random / gate": {"passes": 1, "layout": "random", "gate": True},
        "random / no gate": {"passes": 1, "layout": "random", "gate": False},
    }
    assert spec.without_run_options().methods == spec.methods


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("{gate}", "{gates}"), "field 'gates' that `grid` lacks"),
        (("[true, false]", "true"), "`grid` needs a list of values"),
        (("{gate}", "gate"), "share the label 'natural / gate'"),
        (("grid =", "grids ="), "'grids'.*Did you mean 'grid'"),
    ],
)
def test_a_wrong_grid_is_explained(change: tuple[str, str], message: str) -> None:
    text = f'name = "g"\ndatasets = ["digits"]\nmethods = [{GRID.replace(*change)}]\n'
    with pytest.raises(BenchError, match=f"(?s){message}"):
        parse_spec(text, "g.toml")
