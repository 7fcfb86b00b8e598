"""Fig. 6: the same TCGA sample as DeepInsight and as DeepMapper show it."""

import numpy as np
from matplotlib.figure import Figure

from reports.figure_style import QUIET
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import (
    BEST,
    CORRECTED,
    DEEPINSIGHT,
    DEEPINSIGHT_EQUAL,
    DEEPINSIGHT_PUBLISHED,
    EXPRESSION,
    FAITHFUL,
    TCGA,
)
from reports.paper.print_style import PAGE

TITLE = "Fig. 6: one sample, several images"
METHODS = (DEEPINSIGHT_PUBLISHED, DEEPINSIGHT, DEEPINSIGHT_EQUAL, FAITHFUL, CORRECTED, BEST)


def fig6(evidence: Evidence) -> Exhibit:
    """A line a table, a column a method: each the same test row."""
    found = {
        (dataset, method): evidence.group(dataset, method)
        for dataset in (TCGA, EXPRESSION)
        for method in METHODS
    }
    stored = {at: evidence.arrays(group) for at, group in found.items()}
    with_images = {at for at, arrays in stored.items() if "example_images" in arrays}
    datasets = [d for d in (TCGA, EXPRESSION) if any((d, m) in with_images for m in METHODS)]
    methods = [m for m in METHODS if any((d, m) in with_images for d in datasets)]
    if not datasets:
        return Exhibit("fig6", TITLE, "", missing="needs images of TCGA or of expression")
    figure = Figure(
        figsize=(PAGE, (PAGE / len(methods) + 0.35) * len(datasets)), layout="constrained"
    )
    grid = figure.subplots(len(datasets), len(methods), squeeze=False)
    for line, dataset in zip(grid, datasets, strict=True):
        of_line = [stored[dataset, m] for m in methods if (dataset, m) in with_images]
        shared = set.intersection(*(set(a["example_rows"].tolist()) for a in of_line))
        row = min(shared) if shared else None
        for axes, method in zip(line, methods, strict=True):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(visible=False)
            if dataset == datasets[0]:
                axes.set_title(method.replace(" (", "\n("), loc="center")
            if (dataset, method) not in with_images:
                group = found[dataset, method]
                words = group.words if group is not None else "not run"
                axes.set_box_aspect(1)
                axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes)
                continue
            arrays = stored[dataset, method]
            rows = arrays["example_rows"].tolist()
            image = arrays["example_images"][rows.index(row) if row in rows else 0].astype(float)
            brightest = np.quantile(image, 0.995)
            axes.imshow(image, cmap="magma", vmin=image.min(), vmax=brightest, interpolation="none")
            axes.set_xlabel(f"{image.shape[0]}×{image.shape[1]}", color=QUIET)
        line[0].set_ylabel(dataset)
    caption = (
        "One test sample of each table as the methods show it. DeepInsight places similar genes "
        "side by side and averages those that meet on a pixel; DeepMapper gives each gene a pixel "
        "of its own, in the order of the table (`faithful`: raw values, which one gene can "
        "outshine; `corrected`: logs, scaled to 0..1; `best`: logs, standardised). Brightness is "
        "scaled for each image, its top 0.5% cut."
    )
    return Exhibit("fig6", TITLE, caption, keys_of(*found.values()), figure)
