"""The cost of a dry run, from made-up published cells."""

import io

from rich.console import Console

from bench.cell import expand
from bench.commands.plan import list_costs, published_costs
from bench.spec import parse_spec

SPEC = """
name = "x"
seeds = [0, 1]
datasets = ["digits", { name = "hypercube", params = { n_features = 20 } }]
methods = ["majority", "stump", { name = "stump", label = "again", replicate = 1 }]
"""


def test_hours_are_those_of_the_newest_published_cells() -> None:
    cells = expand(parse_spec(SPEC, "x.toml"), "cpu")

    def records(day: str, seconds: float) -> list[dict[str, object]]:
        """Records of seed 1 of stump, from before it had its first parameter."""
        return [
            {
                "dataset": {"name": c.table.name, "params": c.table.params},
                "method": {"name": c.method, "params": dict(list(c.params.items())[1:])},
                "finished": day,
                "cpu_seconds": seconds,
            }
            for c in cells
            if c.label == "stump" and c.seed == 1
        ]

    new = records("2026-11-02", 3600.0)[:1]
    new += [records("2026-11-02", 1.0)[1] | {"status": "unavailable"}]  # tells nothing
    topics = [new, [{"file": "of an experiment"}], records("2026-11-01", 1800.0)]
    console = Console(file=io.StringIO(), width=120)
    console.print(list_costs(cells, published_costs(topics), limit=900))
    rows = [line.replace("│", " ").split() for line in console.file.getvalue().splitlines()]
    assert ["majority", "4", "0", "1.0"] in rows
    assert ["stump", "4", "4", "3.00", "0.0"] in rows  # two of 1 h, two of half an hour
    assert ["again", "4", "4", "3.00", "0.0"] in rows
    assert ["all", "12", "8", "6.00", "1.0"] in rows
