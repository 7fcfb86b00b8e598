"""The command line: fit, predict and embed one's own table. Commands import what they need."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from deepmapper.errors import DeepMapperError

if TYPE_CHECKING:
    from rich.console import Console

    from deepmapper._app.runs import Run
    from deepmapper.tables import PreparedTable, TrainingTables

app = typer.Typer(
    help="Tables of many features as images: classify rows, name the features that matter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich would cost 0.2 s at every start
)

Table = Annotated[
    Path,
    typer.Argument(help=".csv, .tsv, .txt (also .gz, .bz2, .xz), .parquet, .h5ad, .npy."),
]
RowNames = Annotated[str | None, typer.Option(help="The column that names the rows.")]
Drop = Annotated[list[str] | None, typer.Option(help="A column that is no feature; repeatable.")]
Missing = Annotated[str, typer.Option(help="Missing values: error, median, zero or drop-rows.")]
Marks = Annotated[
    list[str] | None, typer.Option("--na", help="What else marks a missing value; repeatable.")
]
Seed = Annotated[int, typer.Option(help="Of split, layout, weights and batch order.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Epochs = Annotated[int | None, typer.Option(help="Over the training rows, at most.")]
Layout = Annotated[str | None, typer.Option(help="How features are laid out on pixels.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="NAME=VALUE: any other parameter of the estimator; repeatable."),
]


@app.command()
def fit(
    table: Table,
    out: Annotated[Path, typer.Option(help="The run's folder.")],
    label: Annotated[str | None, typer.Option(help="The column of the label.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A file with the labels: .npy, or a table (see --label).")
    ] = None,
    row_names: RowNames = None,
    drop: Drop = None,
    missing: Missing = "error",
    marks: Marks = None,
    test_fraction: Annotated[
        float, typer.Option(help="The share of rows to keep aside for testing.")
    ] = 0.2,
    layout: Layout = None,
    backbone: Annotated[str | None, typer.Option(help="The network.")] = None,
    passes: Annotated[int | None, typer.Option(help="Train-attribute rounds.")] = None,
    epochs: Epochs = None,
    attribution: Annotated[
        str | None, typer.Option(help="The attribution method; none to leave it out.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(help="A feature is selected if among so many of a class.")
    ] = None,
    gate: Annotated[str | None, typer.Option(help="The pixel gate: auto, true or false.")] = None,
    device: Device = "auto",
    seed: Seed = 0,
    settings: Settings = None,
) -> None:
    """Train a classifier on a table; write the model, ranked features and a report."""
    if label is None and labels is None:
        message = "say which column holds the label (--label COLUMN), or give --labels FILE"
        raise DeepMapperError(message)
    from deepmapper.estimators._classifier import DeepMapperClassifier
    from deepmapper.tables import read_training

    asked = {
        "layout": layout,
        "backbone": backbone,
        "passes": passes,
        "training__max_epochs": epochs,
        "attribution": attribution,
        "top": top,
        "gate": None if gate in (None, "auto") else _value(gate),
    }
    estimator = _configured(DeepMapperClassifier, asked, settings, device, seed)
    if attribution == "none":
        estimator.set_params(attribution=None)
    with _status(f"reading {table}"):
        tables = read_training(
            table,
            label=label,
            labels=labels,
            row_names=row_names,
            leave_out=drop or (),
            missing=missing,
            marks=marks or (),
            test_fraction=test_fraction,
            random_state=seed,
        )
    run = _train(estimator, tables, table, label or "label", out)
    _show_evaluation(run)
    _say(f"report: {out / 'report.html'}")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="The folder of `deepmapper fit`.")],
    table: Table,
    out: Annotated[
        Path | None, typer.Option(help="A CSV file; default: predictions.csv in the folder.")
    ] = None,
) -> None:
    """Predict the rows of a table: the class and the probability of each class."""
    from deepmapper._app.runs import predictions

    with _status(f"predicting {table}"):
        frame, new = predictions(model, table)
    _write(frame, out or model / "predictions.csv")
    _show_reading(new)
    counts = ", ".join(f"{n} {c}" for c, n in frame["predicted"].value_counts().items())
    _say(f"{len(frame)} rows: {counts}")


@app.command()
def embed(
    table: Table,
    out: Annotated[
        Path, typer.Option(help="The run's folder; with --model the CSV file to write.")
    ],
    model: Annotated[
        Path | None, typer.Option(help="The folder of an earlier `embed`: nothing is trained.")
    ] = None,
    components: Annotated[int | None, typer.Option(help="Numbers a row is reduced to.")] = None,
    row_names: RowNames = None,
    drop: Drop = None,
    missing: Missing = "error",
    marks: Marks = None,
    layout: Layout = None,
    epochs: Epochs = None,
    device: Device = "auto",
    seed: Seed = 0,
    settings: Settings = None,
) -> None:
    """Embed the rows of a table without labels; rank the features that separate them."""
    if model is not None:
        from deepmapper._app.runs import embedding_of

        with _status(f"embedding {table}"):
            frame, new = embedding_of(model, table)
        _write(frame, out)
        _show_reading(new)
        return
    from deepmapper.estimators._embedder import DeepMapperEmbedder
    from deepmapper.tables import read_training

    asked = {"n_components": components, "layout": layout, "max_epochs": epochs}
    estimator = _configured(DeepMapperEmbedder, asked, settings, device, seed)
    with _status(f"reading {table}"):
        tables = read_training(
            table, row_names=row_names, leave_out=drop or (), missing=missing, marks=marks or ()
        )
    _train(estimator, tables, table, None, out)
    _say(f"embedding: {out / 'embedding.csv'}")
    _say(f"report: {out / 'report.html'}")


def main() -> None:
    """Run the command line; errors that are ours end it with one line and exit code 2."""
    try:
        app(standalone_mode=True)
    except DeepMapperError as error:
        _end(f"error: {error}", 2)
    except OSError as error:
        _end(f"error: {error.strerror}: {error.filename or ''}", 2)
    except KeyboardInterrupt:
        _end("stopped; nothing was written", 130)


def _end(text: str, code: int) -> NoReturn:
    sys.stderr.write(f"{text}\n")
    sys.exit(code)


def _configured(
    kind: Any, asked: dict[str, Any], settings: list[str] | None, device: str, seed: int
) -> Any:
    """An estimator with the parameters that were asked for; the others keep their defaults.

    Raises:
        DeepMapperError: a parameter that the estimator does not have.
    """
    from dataclasses import fields
    from difflib import get_close_matches

    from deepmapper.training.trainer import TrainingSettings

    chosen = {name: value for name, value in asked.items() if value is not None}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals:
            message = f"--set takes NAME=VALUE, got {setting!r}"
            raise DeepMapperError(message)
        chosen[name.strip()] = _value(text.strip())
    known = sorted(kind._get_param_names())
    if "training" in known:
        settings_of_training = [field.name for field in fields(TrainingSettings)]
        chosen = {f"training__{k}" if k in settings_of_training else k: chosen[k] for k in chosen}
        known += [f"training__{name}" for name in settings_of_training]
    for name in chosen:
        if name not in known:
            nearest = get_close_matches(name, known) or known
            message = f"{kind.__name__} has no parameter {name!r}; nearest: {', '.join(nearest)}"
            raise DeepMapperError(message)
    return kind(device=device, random_state=seed).set_params(**chosen)


def _value(text: str) -> Any:
    """A number, true, false or null as such, anything else as text.

    >>> _value("1e-3"), _value("true"), _value("patch")
    (0.001, True, 'patch')
    """
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


def _train(
    estimator: Any, tables: "TrainingTables", table: Path, label: str | None, out: Path
) -> "Run":
    from deepmapper._app.progress import TrainingProgress
    from deepmapper._app.runs import fit, write_run
    from deepmapper.estimators._saving import check_target
    from deepmapper.training.trainer import TrainingSettings

    check_target(out)
    _show_tables(tables)
    is_embedder = hasattr(estimator, "max_epochs")
    settings = estimator if is_embedder else TrainingSettings.of(estimator.training)
    with TrainingProgress(_console(), estimator.passes, settings.max_epochs) as progress:
        run = fit(estimator, tables, source=table.name, label=label, on_epoch=progress)
        progress.say("writing")
        write_run(run, out)
    for note in run.notes:
        _say(f"note: {note}")
    _say(f"trained on {len(tables.train.row_names)} rows in {run.seconds:.1f} s")
    return run


def _show_tables(tables: "TrainingTables") -> None:
    preparation, dropped = tables.preparation, tables.dropped
    _say(
        f"{tables.n_rows} rows and {tables.n_columns} columns of features read, "
        f"{len(tables.train.features)} features in use"
    )
    left_out = {
        "columns all zero": len(preparation.zero_columns),
        "columns empty": len(preparation.empty_columns),
        "rows empty or all zero": len(dropped.blank),
        "rows with missing values": len(dropped.incomplete),
        "rows without a label": len(dropped.unlabelled),
    }
    shown = ", ".join(f"{count} {name}" for name, count in left_out.items() if count)
    if shown:
        _say(f"left out: {shown}")


def _show_reading(new: "PreparedTable") -> None:
    if new.dropped.n:
        _say(f"left out: {new.dropped.n} rows with missing values")
    for column, count in new.unseen.items():
        _say(f"note: {count} rows have a {column!r} that the training rows did not have")


def _show_evaluation(run: "Run") -> None:
    evaluation = run.evaluation
    if evaluation is None:
        _say("no rows were kept aside: nothing says how well this does on new ones")
        return
    low, high = evaluation.interval()
    _say(
        f"on {evaluation.n} rows kept aside: accuracy {evaluation.accuracy:.3f} "
        f"(95% interval {low:.3f} to {high:.3f}), balanced {evaluation.balanced_accuracy:.3f}; "
        f"the most frequent class alone: {evaluation.majority:.3f}"
    )


def _write(frame: Any, path: Path) -> None:
    """A CSV file, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(partial, index=False)
    partial.replace(path)
    _say(f"written: {path}")


def _say(text: str) -> None:
    _console().print(text, highlight=False, markup=False, soft_wrap=True)


def _status(text: str) -> Any:
    return _console().status(text)


def _console() -> "Console":
    from rich.console import Console

    return Console()


if __name__ == "__main__":
    main()
