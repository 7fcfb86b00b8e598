"""The command line of the experiments."""

import importlib
import json
import time
from pathlib import Path
from typing import Annotated

import typer

from bench.errors import BenchError, unknown
from bench.experiments.runner import (
    Experiment,
    read_records,
    record_path,
    run_in_process,
    write_record,
)

OUT = Path("results/experiments")
# The file of each experiment.
FILES = {
    "needles": ("nihs", "xor", "parity", "coins"),
    "findings": ("known_truth", "permuted"),
    "mnist": ("shuffled", "few_images", "max_norm"),
    "parts": ("parts",),
    "embedding": ("clusters", "unlabelled"),
    "growth": ("million", "scaling"),
    "speed": ("conversion", "to_target", "contended"),
    "gpu": ("gpu",),  # needs a CUDA device
    "harness": ("overhead",),
    "regress_study": ("regress_study",),
}
EXPERIMENTS = {name: file for file, names in FILES.items() for name in names}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
Out = Annotated[Path, typer.Option(help="Folder of the records.")]


@app.command("list")
def list_experiments() -> None:
    """List the experiments with their targets and numbers of cases."""
    for name in EXPERIMENTS:
        chosen = experiment(name)
        typer.echo(f"{name}: {chosen.target} ({len(chosen.cases)} cases)")


@app.command()
def run(
    names: list[str],
    out: Out = OUT,
    only: Annotated[str, typer.Option(help="Only cases whose name contains this text.")] = "",
    fresh: Annotated[bool, typer.Option(help="Measure cases with a record again.")] = False,
) -> None:
    """Measure the cases of experiments that have no record yet."""
    for name in names:
        for case in experiment(name).cases:
            path = record_path(out, name, case.name)
            if only not in case.name or (path.exists() and not fresh):
                continue
            start = time.perf_counter()
            typer.echo(f"{name} {case.name} ...")
            run_in_process(name, case, out)
            measured = json.loads(path.read_text())["measured"]
            scalars = {k: v for k, v in measured.items() if isinstance(v, int | float | str)}
            typer.echo(f"  {time.perf_counter() - start:.1f} s {json.dumps(scalars)}")


@app.command("case")
def measure_case(name: str, case_name: str, out: Out = OUT) -> None:
    """Measure one case in this process."""
    chosen = experiment(name)
    cases = {case.name: case for case in chosen.cases}
    if case_name not in cases:
        raise unknown(case_name, "case", cases, name)
    case = cases[case_name]
    write_record(out, name, case, chosen.measure(**case.parameters))


@app.command()
def report(out: Out = OUT) -> None:
    """Write summary.md from the records of the folder."""
    lines = ["# Experiments", "", "The records are in `cells/`.", ""]
    for name in EXPERIMENTS:
        records = read_records(out, name)
        if records:
            chosen = experiment(name)
            lines += [f"## {name}", "", f"Target: {chosen.target}", "", chosen.summary(records)]
            lines += ["", f"    python -m bench.experiments run {name} --out {out}", ""]
    (out / "summary.md").write_text("\n".join(lines))
    typer.echo(out / "summary.md")


def experiment(name: str) -> Experiment:
    """Load an experiment by name."""
    if name not in EXPERIMENTS:
        raise unknown(name, "experiment", EXPERIMENTS, "bench.experiments")
    module = importlib.import_module(f"bench.experiments.{EXPERIMENTS[name]}")
    return getattr(module, name)


def main() -> None:
    """Run the command line. A BenchError ends it with exit code 2."""
    try:
        app(standalone_mode=False)
    except BenchError as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
