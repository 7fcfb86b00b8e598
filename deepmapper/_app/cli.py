"""The command line: fit, predict and embed a table. Imports are in the commands."""

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepmapper._app.console import (
    check_writable,
    epoch_text,
    show,
    show_evaluation,
    show_tables,
    status,
    write_csv,
)
from deepmapper.errors import DeepMapperError

if TYPE_CHECKING:
    from deepmapper._app.runs import Run
    from deepmapper.tables import TrainingTables

app = typer.Typer(
    help="Tables of many features as images: classify rows, rank the features that matter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would cost 0.2 s at every start
)

Table = Annotated[
    Path,
    typer.Argument(
        help="Text (CSV, TSV, GCT, GEO series matrix; also compressed), .parquet (or a folder of "
        "them), .h5ad, 10x (.h5 or folder), .npy."
    ),
]
Out = Annotated[Path, typer.Option(help="The run's folder.")]
RowNames = Annotated[str | None, typer.Option(help="The column that names the rows.")]
Drop = Annotated[list[str] | None, typer.Option(help="A column that is not a feature; repeatable.")]
Keep = Annotated[
    list[str] | None,
    typer.Option(help="A column to use although it looks like an id; repeatable."),
]
Missing = Annotated[str, typer.Option(help="Missing values: error, median, zero or drop-rows.")]
Marks = Annotated[
    list[str] | None, typer.Option("--na", help="Another mark of a missing value; repeatable.")
]
Transpose = Annotated[
    bool, typer.Option("--transpose", help="The file has features in rows, samples in columns.")
]
Layer = Annotated[
    str | None, typer.Option(help="The layer of an .h5ad file in place of X, or raw.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Read the table, show what was understood, and stop.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of split, layout, weights and batch order.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Epochs = Annotated[int | None, typer.Option(help="Short for --set max_epochs=NUMBER.")]
Passes = Annotated[int | None, typer.Option(help="Short for --set passes=NUMBER.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="NAME=VALUE: a parameter of the estimator (layout=learned); repeatable."
    ),
]


FEWEST_EMBEDDED = 2  # rows
INTERRUPTED = 130  # typer's exit code after Ctrl-C


@app.callback(invoke_without_command=True)
def _show_version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from deepmapper import __version__

        show(f"deepmapper {__version__}")


@app.command()
def fit(
    table: Table,
    out: Out,
    label: Annotated[str | None, typer.Option(help="The column of the label.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A file with the labels: .npy, or a table (see --label).")
    ] = None,
    row_names: RowNames = None,
    drop: Drop = None,
    keep: Keep = None,
    missing: Missing = "error",
    marks: Marks = None,
    transpose: Transpose = False,
    layer: Layer = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="A column of persons or batches with several rows, in the table or in --labels: "
            "no feature, and each on one side of the test split."
        ),
    ] = None,
    test_fraction: Annotated[float, typer.Option(help="Share of rows kept for testing.")] = 0.2,
    device: Device = "auto",
    seed: Seed = 0,
    epochs: Epochs = None,
    passes: Passes = None,
    settings: Settings = None,
    dry_run: DryRun = False,
) -> None:
    """Train a classifier on a table. Write the model, ranked features and a report."""
    if label is None and labels is None:
        message = "name the column of the label (--label COLUMN), or give --labels FILE"
        raise DeepMapperError(message)
    from deepmapper.estimators._classifier import DeepMapperClassifier
    from deepmapper.tables import read_training

    estimator = _build_estimator(
        DeepMapperClassifier, settings, device, seed, max_epochs=epochs, passes=passes
    )
    with status(f"reading {table}"):
        tables = read_training(
            table,
            label=label,
            labels=labels,
            row_names=row_names,
            leave_out=drop or (),
            keep=keep or (),
            missing=missing,
            marks=marks or (),
            transpose=transpose,
            layer=layer,
            groups=groups,
            test_fraction=test_fraction,
            random_state=seed,
        )
    run = _train(estimator, tables, table, label or "label", out, dry_run=dry_run)
    if run is None:
        return
    show_evaluation(run)
    show(run.conclusion)
    show(f"report: {out / 'report.html'}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="The folder of `fit` or `embed`.")],
    table: Table,
    out: Annotated[
        Path | None, typer.Option(help="A CSV file; default: predictions.csv in the folder.")
    ] = None,
    row_names: RowNames = None,
    drop: Drop = None,
    missing: Annotated[
        str | None,
        typer.Option(help="Missing values: error, median, zero or drop-rows; default: as in fit."),
    ] = None,
    marks: Marks = None,
    transpose: Transpose = False,
    layer: Layer = None,
    ignore_versions: Annotated[
        bool, typer.Option("--ignore-versions", help="Match ENSG00000141510.16 without its .16.")
    ] = False,
) -> None:
    """Predict the rows of a table: classes and probabilities, or an embedding."""
    from deepmapper._app.runs import predictions

    target = out or model / "predictions.csv"
    check_writable(target)
    with status(f"predicting {table}"):
        frame, new = predictions(
            model,
            table,
            row_names=row_names,
            leave_out=drop or (),
            missing=missing,
            marks=marks or (),
            transpose=transpose,
            layer=layer,
            ignore_versions=ignore_versions,
        )
    write_csv(frame, target)
    if new.dropped.n:
        show(f"left out: {new.dropped.n} rows with missing values")
    for column, count in new.unseen.items():
        show(f"note: {count} rows have a {column!r} that is not in the training rows")
    if "predicted" in frame:
        counts = ", ".join(f"{n} {c}" for c, n in frame["predicted"].value_counts().items())
        show(f"{len(frame)} rows: {counts}")


@app.command()
def embed(
    table: Table,
    out: Out,
    row_names: RowNames = None,
    drop: Drop = None,
    keep: Keep = None,
    missing: Missing = "error",
    marks: Marks = None,
    transpose: Transpose = False,
    layer: Layer = None,
    device: Device = "auto",
    seed: Seed = 0,
    epochs: Epochs = None,
    passes: Passes = None,
    settings: Settings = None,
    dry_run: DryRun = False,
) -> None:
    """Embed the rows of a table without labels. Rank the features that separate them."""
    from deepmapper.estimators._embedder import DeepMapperEmbedder
    from deepmapper.tables import read_training

    estimator = _build_estimator(
        DeepMapperEmbedder, settings, device, seed, max_epochs=epochs, passes=passes
    )
    with status(f"reading {table}"):
        tables = read_training(
            table,
            row_names=row_names,
            leave_out=drop or (),
            keep=keep or (),
            missing=missing,
            marks=marks or (),
            transpose=transpose,
            layer=layer,
        )
    if (n := len(tables.train.row_names)) < FEWEST_EMBEDDED:
        message = f"{table}: found {n} row, expected at least {FEWEST_EMBEDDED} to embed"
        raise DeepMapperError(message)
    if _train(estimator, tables, table, None, out, dry_run=dry_run) is None:
        return
    show(f"embedding: {out / 'embedding.csv'}")
    show(f"report: {out / 'report.html'}")


def main() -> None:
    """Run the command line. A DeepMapperError ends it with one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of ASCII
    try:
        app(standalone_mode=True)
    except SystemExit as end:
        if end.code == INTERRUPTED:
            sys.stderr.write("stopped; nothing was written\n")
        raise
    except DeepMapperError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except OSError as error:
        sys.stderr.write(f"error: {error.strerror}: {error.filename or ''}\n")
        sys.exit(2)


def _build_estimator(
    estimator_class: Any, settings: list[str] | None, device: str, seed: int, **short: int | None
) -> Any:
    """Make an estimator of this class with these settings, NAME=VALUE each.

    `short` are settings with an option of their own, None if it is not given. A parameter that the
    estimator does not have raises DeepMapperError.
    """
    from dataclasses import fields
    from difflib import get_close_matches

    from deepmapper.training.trainer import TrainingSettings

    names = sorted(estimator_class._get_param_names())
    nested = [field.name for field in fields(TrainingSettings)] if "training" in names else []
    estimator = estimator_class(device=device, random_state=seed)
    given = [f"{name}={value}" for name, value in short.items() if value is not None]
    for setting in given + (settings or []):
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not equals:
            message = f"--set takes NAME=VALUE, got {setting!r}"
            raise DeepMapperError(message)
        if name not in names + nested:
            nearest = get_close_matches(name, names + nested)
            hint = (
                f"nearest: {', '.join(nearest)}"
                if nearest
                else f"known: {', '.join(names + nested)}"
            )
            message = f"{estimator_class.__name__} has no parameter {name!r}; {hint}"
            raise DeepMapperError(message)
        estimator.set_params(**{f"training__{name}" if name in nested else name: _value(text)})
    estimator._validate_params()
    return estimator


def _value(text: str) -> Any:
    """Read a number, true, false or null. Anything else is text."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


def _train(
    estimator: Any,
    tables: "TrainingTables",
    table: Path,
    label: str | None,
    out: Path,
    *,
    dry_run: bool,
) -> "Run | None":
    """Show what was understood, train, and write the run. None for a dry run."""
    from deepmapper._app.report import report
    from deepmapper._app.runs import fit, write_run
    from deepmapper.estimators._saving import check_target

    check_target(out)
    show_tables(tables, estimator)
    if dry_run:
        return None
    with status("training") as progress:
        run = fit(
            estimator,
            tables,
            source=table.name,
            label=label,
            on_epoch=lambda row: progress.update(epoch_text(row, estimator.passes)),
        )
        progress.update("writing")
        page = report(run)
        try:
            write_run(run, out, page)
        except (DeepMapperError, OSError) as error:  # a full disk: the model is not lost
            rescue = Path(tempfile.mkdtemp()) / out.name
            write_run(run, rescue, page)
            message = f"{error}. The run was written to {rescue}"
            raise DeepMapperError(message) from error
    for note in run.notes[len(tables.notes) :]:
        show(f"note: {note}")
    show(f"trained on {len(tables.train.row_names)} rows in {run.seconds:.1f} s")
    return run
