"""The command line of the engine's experiments."""

import importlib
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from bench.errors import BenchError, unknown
from bench.experiments.engine.records import Records, run_apart

OUT = Path("results/engine")
# In the order of the table; `gpu` needs a CUDA device.
EXPERIMENTS = (
    "nihs",
    "xor",
    "shuffled",
    "layouts",
    "aggmap",
    "max_norm",
    "libraries",
    "boosting",
    "tumours",
    "conversion",
    "versus_deepinsight",
    "to_target",
    "million",
    "scaling",
    "gpu",
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
Out = Annotated[Path, typer.Option(help="Where the records are.")]


@app.command("list")
def list_experiments() -> None:
    """Name the experiments, their targets and their cases."""
    for name in EXPERIMENTS:
        module = experiment(name)
        typer.echo(f"{name}: {module.TARGET} ({len(module.cases())} cases)")


@app.command()
def run(
    names: list[str],
    out: Out = OUT,
    only: Annotated[str, typer.Option(help="Only cases whose name has this in it.")] = "",
    fresh: Annotated[bool, typer.Option(help="Measure again what has a record.")] = False,
) -> None:
    """Measure what has no record yet."""
    for name in names:
        for case in experiment(name).cases():
            if only not in case.name or (Records(out).path(name, case.name).exists() and not fresh):
                continue
            start = time.perf_counter()
            typer.echo(f"{name} {case.name} ...")
            run_apart(name, case, out)
            record = json.loads(Records(out).path(name, case.name).read_text())
            shown = {k: v for k, v in record["measured"].items() if isinstance(v, int | float)}
            typer.echo(f"  {time.perf_counter() - start:.1f} s {json.dumps(shown)}")


@app.command()
def case(name: str, case_name: str, out: Out = OUT) -> None:
    """Measure one case in this process."""
    module = experiment(name)
    for candidate in module.cases():
        if candidate.name == case_name:
            Records(out).write(name, candidate, module.measure(**candidate.parameters))
            return
    raise unknown(case_name, "case", [c.name for c in module.cases()], name)


@app.command()
def report(out: Out = OUT) -> None:
    """Write summary.md from the records that are there."""
    lines = ["# The engine, measured", "", "One line a target; the records are in `cells/`.", ""]
    for name in EXPERIMENTS:
        records = Records(out).read(name)
        module = experiment(name)
        lines += [f"## {name}", "", f"Target: {module.TARGET}", ""]
        lines += [module.summary(records) if records else "not measured", ""]
        lines += [f"    python -m bench.experiments.engine run {name} --out {out}", ""]
    (out / "summary.md").write_text("\n".join(lines))
    typer.echo(out / "summary.md")


def experiment(name: str) -> ModuleType:
    """The module of an experiment."""
    if name not in EXPERIMENTS:
        raise unknown(name, "experiment", list(EXPERIMENTS), "bench.experiments.engine")
    return importlib.import_module(f"bench.experiments.engine.{name}")


def main() -> None:
    try:
        app(standalone_mode=False)
    except BenchError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
