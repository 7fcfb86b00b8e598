"""Fig. 6: the same TCGA sample as image of DeepInsight and of DeepMapper."""

import itertools
import math

import numpy as np
from matplotlib.figure import Figure

from reports.figures.style import COLUMN, QUIET, no_ticks
from reports.paper.evidence import NOT_MEASURED, Evidence, is_timeout, keys_of
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

TITLE = "Fig. 6: one sample, several images"
N_COLUMNS = 3
METHODS = (DEEPINSIGHT_PUBLISHED, DEEPINSIGHT, DEEPINSIGHT_EQUAL, FAITHFUL, CORRECTED, BEST)

# Long names on two lines, clear of their neighbours.
NAMES = {
    DEEPINSIGHT_PUBLISHED: "deepinsight_tsne\n(published)",
    DEEPINSIGHT_EQUAL: "deepinsight_tsne\n(equal pixels)",
}


def fig6(evidence: Evidence) -> Exhibit:
    """Draw a part for each table, a panel for each method: the same test row in all."""
    pairs = itertools.product((TCGA, EXPRESSION), METHODS)
    groups = {labels: evidence.group(*labels) for labels in pairs}
    stored = {labels: evidence.arrays(group) for labels, group in groups.items()}
    with_images = {labels for labels, arrays in stored.items() if "example_images" in arrays}
    datasets = [d for d in (TCGA, EXPRESSION) if any((d, m) in with_images for m in METHODS)]
    if not datasets:
        return Exhibit("fig6", TITLE, "", missing="needs images of TCGA or of expression")
    shown = {d: [m for m in METHODS if groups[d, m] is not None] for d in datasets}
    n_lines = {d: math.ceil(len(methods) / N_COLUMNS) for d, methods in shown.items()}
    figure = Figure(figsize=(COLUMN, 1.52 * sum(n_lines.values()) + 0.2), layout="constrained")
    parts = figure.subfigures(len(datasets), 1, squeeze=False, height_ratios=list(n_lines.values()))
    for part, dataset in zip(parts.flat, datasets, strict=True):
        of_part = [stored[dataset, m] for m in shown[dataset] if (dataset, m) in with_images]
        shared = set.intersection(*(set(a["example_rows"].tolist()) for a in of_part))
        row = min(shared) if shared else None
        panels = part.subplots(n_lines[dataset], N_COLUMNS, squeeze=False).flat
        for axes in panels[len(shown[dataset]) :]:
            axes.set_axis_off()
        for axes, method in zip(panels, shown[dataset], strict=False):
            no_ticks(axes)
            axes.set_title(NAMES.get(method, method), loc="center", fontweight="normal", pad=3)
            if (dataset, method) not in with_images:
                group = groups[dataset, method]
                words = group.words if group and not is_timeout(group) else NOT_MEASURED
                axes.set_box_aspect(1)
                axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes)
                continue
            arrays = stored[dataset, method]
            rows = arrays["example_rows"].tolist()
            image = arrays["example_images"][rows.index(row) if row in rows else 0].astype(float)
            brightest = np.quantile(image, 0.995)
            axes.imshow(image, cmap="magma", vmin=image.min(), vmax=brightest, interpolation="none")
            axes.set_xlabel(f"{image.shape[0]}×{image.shape[1]}", color=QUIET, labelpad=2)
        part.suptitle(dataset, fontweight="bold")
    caption = (
        "One test sample of each table as the methods show it. DeepInsight places similar genes "
        "side by side and averages those that meet on a pixel; DeepMapper gives each gene a pixel "
        "of its own, in the order of the table (`faithful`: raw values, which one gene can "
        "outshine; `corrected`: logs, scaled to 0..1; `best`: logs, standardised). Brightness is "
        "scaled for each image, its top 0.5% cut."
    )
    return Exhibit("fig6", TITLE, caption, keys_of(*groups.values()), figure)
