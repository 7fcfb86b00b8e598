"""Faults and costs inside pyDeepInsight and TINTOlib, and what our use of them does instead.

Each check calls the library as its manual says, then our method on the same values.
"""

import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.experiments.runner import build_method, experiment, grid


def cam_maps() -> dict[str, Any]:
    """Class activation maps at 224x224: `compute_cam` copies all maps so far after every batch."""
    steps = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = nn.Sequential(*steps, nn.Linear(4, 2))
    images = torch.rand(1024, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    class_cam = importlib.import_module("baselines._deepinsight").class_cam
    class_cam(network, images[:16], 0)  # imports
    seconds = {}
    for n in (64, 256, 1024):
        start = time.perf_counter()
        class_cam(network, images[:n], 0)
        seconds[f"ms_a_map_of_{n}"] = 1000 * (time.perf_counter() - start) / n
    return seconds


def igtd_neighbours() -> dict[str, Any]:
    """One row's image, converted beside two different other rows."""
    X = np.random.default_rng(0).random((50, 36))
    igtd = _igtd(X)
    beside = [_converted(igtd, np.stack([X[0], other]))[0] for other in (X[1], 10 * X[2])]
    ours = _our_igtd(X)
    ours_beside = [ours.transform(np.stack([X[0], other]))[0] for other in (X[1], 10 * X[2])]
    return {
        "library_largest_change_percent": 100 * _change(*beside),
        "ours_largest_change_percent": 100 * _change(*ours_beside),
    }


def _change(one: np.ndarray, other: np.ndarray) -> float:
    """The largest difference, as a share of the range of the first."""
    return float(np.abs(one - other).max() / np.ptp(one))


def igtd_positions() -> dict[str, Any]:
    """Features that IGTD's image shows where `features_positions.csv` says they are."""
    X = np.random.default_rng(0).random((50, 36))
    igtd = _igtd(X)
    said = igtd._features_mapping[["row", "column"]].to_numpy()
    marked = _converted(igtd, np.eye(36))  # one feature is lit in each image; IGTD shows it dark
    ours = _our_igtd(X)
    ours_marked = ours.transform(np.eye(36, dtype=np.float32) * 10)[:, 0]
    ours_said = np.stack(np.unravel_index(ours.placement_.pixels, (6, 6)), axis=1)

    def share(images: np.ndarray, places: np.ndarray) -> float:
        unlike = np.abs(images - np.median(images, axis=0)).reshape(36, -1).argmax(1)
        found = np.stack(np.unravel_index(unlike, (6, 6)), axis=1)
        return 100 * float((found == places).all(1).mean())

    return {
        "library_right_percent": share(marked, said),
        "ours_right_percent": share(ours_marked, ours_said),
    }


def png_contrast() -> dict[str, Any]:
    """Two rows of which one has half the values of the other, as IGTD's images (PNG)."""
    X = np.random.default_rng(0).random((50, 36))
    pair = np.stack([X[0], X[0] / 2])
    bright, dim = _converted(_igtd(X, "png"), pair)
    ours = _our_igtd(X).transform(pair)
    return {
        "library_largest_difference_of_255": int(np.abs(bright - dim).max()),
        "ours_largest_difference_percent": 100 * _change(*ours),
    }


def _igtd(X: np.ndarray, image_format: str = "npy") -> Any:
    import pandas as pd
    from TINTOlib.igtd import IGTD

    size = {"scale": [6, 6], "max_step": 200}
    igtd = IGTD("regression", None, format=image_format, random_seed=0, **size)
    igtd.fit(pd.DataFrame(X).assign(target=0))
    return igtd


def _our_igtd(X: np.ndarray) -> Any:
    return build_method("igtd", 0, max_step=200, scaling="minmax").named_steps["convert"].fit(X)


def _converted(igtd: Any, X: np.ndarray) -> np.ndarray:
    """The images that the library writes, (n, 6, 6), in the order of the rows."""
    import pandas as pd
    from matplotlib.image import imread

    with tempfile.TemporaryDirectory() as folder:
        # The last column is the target; `problem="unsupervised"` ends in a TypeError here.
        igtd.transform(pd.DataFrame(X).assign(target=0), folder)
        files = sorted(Path(folder).rglob("*.npy")) or sorted(Path(folder).rglob("*.png"))
        if files[0].suffix == ".npy":
            return np.stack([np.load(file) for file in files])
        return np.stack([np.rint(255 * imread(file)[..., 0]) for file in files])


CHECKS: dict[str, Callable[[], dict[str, Any]]] = {
    check.__name__: check for check in (cam_maps, igtd_neighbours, igtd_positions, png_contrast)
}


@experiment(
    "known faults and costs of the libraries, each by a measurement",
    grid("{check}", check=CHECKS),
)
def libraries(check: str) -> dict[str, Any]:
    return CHECKS[check]()
