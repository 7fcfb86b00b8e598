"""The command line of the experiments."""

import importlib
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from bench.errors import BenchError, unknown
from bench.experiments.runner import Records, run_apart

OUT = Path("results/experiments")
EXPERIMENTS = (
    # the engine; `gpu` needs a CUDA device
    *("nihs", "xor", "shuffled", "layouts", "max_norm", "libraries", "boosting", "tumours"),
    *("conversion", "versus_deepinsight", "to_target", "million", "scaling", "gpu", "gates"),
    # the harness at sizes that no test has, and `bench regress` on known answers
    *("overhead", "merging", "large_report", "regress_study"),
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
Out = Annotated[Path, typer.Option(help="The folder of the records.")]


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
    only: Annotated[str, typer.Option(help="Only cases whose name contains this.")] = "",
    fresh: Annotated[bool, typer.Option(help="Measure cases again that have a record.")] = False,
) -> None:
    """Measure the cases that have no record yet."""
    for name in names:
        for case in experiment(name).cases():
            path = Records(out).path(name, case.name)
            if only not in case.name or (path.exists() and not fresh):
                continue
            start = time.perf_counter()
            typer.echo(f"{name} {case.name} ...")
            run_apart(name, case, out)
            measured = json.loads(path.read_text())["measured"]
            shown = {k: v for k, v in measured.items() if isinstance(v, int | float | str)}
            typer.echo(f"  {time.perf_counter() - start:.1f} s {json.dumps(shown)}")


@app.command()
def case(name: str, case_name: str, out: Out = OUT) -> None:
    """Measure one case in this process."""
    module = experiment(name)
    cases = {case.name: case for case in module.cases()}
    if case_name not in cases:
        raise unknown(case_name, "case", cases, name)
    Records(out).write(name, cases[case_name], module.measure(**cases[case_name].parameters))


@app.command()
def report(out: Out = OUT) -> None:
    """Write summary.md from the records of the folder."""
    lines = ["# Experiments", "", "The records are in `cells/`.", ""]
    for name in EXPERIMENTS:
        records = Records(out).read(name)
        if records:
            module = experiment(name)
            lines += [f"## {name}", "", f"Target: {module.TARGET}", "", module.summary(records)]
            lines += ["", f"    python -m bench.experiments run {name} --out {out}", ""]
    (out / "summary.md").write_text("\n".join(lines))
    typer.echo(out / "summary.md")


def experiment(name: str) -> ModuleType:
    """The module of an experiment."""
    if name not in EXPERIMENTS:
        raise unknown(name, "experiment", EXPERIMENTS, "bench.experiments")
    return importlib.import_module(f"bench.experiments.{name}")


def main() -> None:
    """Run the command line; an error of ours ends it with exit code 2."""
    try:
        app(standalone_mode=False)
    except BenchError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
