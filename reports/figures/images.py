"""The same sample as image of each converter, as in Fig. 6 of the paper."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.figures.style import (
    FAINT,
    MOST_COLUMNS,
    MOST_METHODS_NOTE,
    PAGE,
    QUIET,
    SMALLEST,
    WARNING,
    broken,
    few_methods,
    no_ticks,
)
from reports.results import Results

TITLE = "The same sample as image of each converter"
CAPTION = (
    "After Fig. 6 of the paper. Rows are the methods that make images, columns are datasets (at "
    f"most {MOST_COLUMNS}), with one sample a column. Brightness is scaled for each image, and "
    "clipped at 99.5% in large ones." + MOST_METHODS_NOTE
)
WITHOUT = "No run kept example images."


@dataclass(frozen=True)
class Examples:
    """The example images of one cell."""

    rows: list[int]
    images: np.ndarray  # (k, h, w)


def draw(results: Results) -> Figure | None:
    """Draw a row a method and a column a dataset, or return None without images."""
    examples = {dataset: examples_of(results, dataset) for dataset in results.datasets}
    datasets = [dataset for dataset, of_methods in examples.items() if of_methods][:MOST_COLUMNS]
    imaging = [m for m in results.methods if any(m in examples[d] for d in datasets)]
    methods = few_methods(results, imaging)
    if not datasets:
        return None
    side = min(1.3, (PAGE - 0.5) / len(datasets))
    size = (side * len(datasets) + 0.5, (side + 0.2) * len(methods) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(methods), len(datasets), squeeze=False)
    for column, dataset in zip(grid.T, datasets, strict=True):
        column[0].set_title(broken(dataset), fontsize=SMALLEST, loc="center")
        _column(column, results, dataset, methods, examples[dataset])
    for axes, method in zip(grid[:, 0], methods, strict=True):
        axes.set_ylabel(broken(method), fontsize=SMALLEST)
    return figure


def examples_of(results: Results, dataset: str) -> dict[str, Examples]:
    """Return method -> the examples of its first seed that has any."""
    examples: dict[str, Examples] = {}
    for group in results.groups(dataset):
        for cell in group.ok if group.image_shape else []:
            images = results.source.array(cell["key"], "example_images")
            if images is not None and len(images):
                rows = results.source.array(cell["key"], "example_rows")
                listed = range(len(images)) if rows is None else rows
                examples[group.method] = Examples([int(r) for r in listed], images)
                break
    return examples


def common_row(examples: list[Examples]) -> int | None:
    shared = set(examples[0].rows).intersection(*(set(e.rows) for e in examples))
    return next((row for row in examples[0].rows if row in shared), None)


def _column(
    column: np.ndarray,
    results: Results,
    dataset: str,
    methods: list[str],
    examples: dict[str, Examples],
) -> None:
    row = common_row(list(examples.values()))
    for axes, method in zip(column, methods, strict=True):
        no_ticks(axes)
        if method in examples:
            _image(axes, examples[method], row)
        else:
            group = results.group(dataset, method)
            _words(axes, (group.words or "no image") if group else "not run")


def _image(axes: Axes, examples: Examples, row: int | None) -> None:
    shown = row if row is not None else examples.rows[0]
    image = np.nan_to_num(examples.images[examples.rows.index(shown)].astype(float))
    # The brightest pixels of a sparse image would leave all others black.
    top = np.quantile(image, 0.995) if image.size > 1000 else image.max()
    low = image.min()
    axes.imshow(image, cmap="magma", vmin=low, vmax=top if top > low else low + 1)
    height, width = image.shape
    other = "" if row is not None else "\nother sample"
    axes.set_xlabel(f"{height}×{width}{other}", fontsize=SMALLEST, color=QUIET, labelpad=2)


def _words(axes: Axes, words: str) -> None:
    axes.set_facecolor("#f6f7f9")
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.set_box_aspect(1)
    axes.text(
        0.5,
        0.5,
        words.replace(", ", ",\n"),
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=SMALLEST,
        fontstyle="italic",
        color=WARNING,
    )
