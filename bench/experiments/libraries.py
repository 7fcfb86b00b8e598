"""What is slow or wrong inside pyDeepInsight and TINTOlib, and what our use of them does instead.

Each check calls the library as its manual says, then our method on the same values.
"""

import contextlib
import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from bench.catalog import entry, table_entry
from bench.experiments.runner import Case, table
from bench.run.phases import Phases

TARGET = "known faults and costs of the libraries, each by a measurement"
N_FEATURES = 5_000


def cases() -> list[Case]:
    return [Case(name, {"check": name}) for name in CHECKS]


def measure(check: str) -> dict[str, Any]:
    return CHECKS[check]()


def _deepinsight() -> Any:
    """The file that has pyDeepInsight; a method loads it, this looks inside."""
    return importlib.import_module("baselines._deepinsight")


def norm2() -> dict[str, Any]:
    """New rows, mostly more than 1 below the smallest that pyDeepInsight's Norm2Scaler saw."""
    rng = np.random.default_rng(0)
    seen, new = rng.normal(size=(1000, 50)), rng.normal(-5, 1, size=(1000, 50))
    ours = _deepinsight().Norm2().fit(seen)
    with np.errstate(invalid="ignore"):
        theirs = ours.scaler_.transform(new)
    return {
        "library_nan_percent": 100 * float(np.isnan(theirs).mean()),
        "ours_nan_percent": 100 * float(np.isnan(ours.transform(new)).mean()),
    }


def images_as_rgb() -> dict[str, Any]:
    """3,000 rows to 224x224 as pyDeepInsight's manual does, three channels in one array."""
    return _images("rgb")


def images_as_scalars() -> dict[str, Any]:
    """The same with one channel (`img_format="scalar"`)."""
    return _images("scalar")


def images_in_blocks() -> dict[str, Any]:
    """The same as our method does, one channel, float32, 512 rows at a time."""
    return _images(None)


def _images(img_format: str | None) -> dict[str, Any]:
    from sklearn.decomposition import PCA

    X = np.random.default_rng(0).random((3000, N_FEATURES), dtype=np.float32)
    converter = _deepinsight().DeepInsightConverter(PCA(2, random_state=0)).fit(X)
    scaled = converter.scaler_.transform(X)
    phases = Phases("cpu")
    with phases("images"):
        images: Any
        if img_format is None:
            images = converter.transform(X)
        else:
            images = converter.transformer_.transform(scaled, img_format=img_format)
    return {
        "seconds": phases.records["images"]["seconds"],
        "peak_mib": phases.records["images"]["peak_host_mib"],
        "result_mib": images.nbytes / 2**20,
    }


def shared_pixels() -> dict[str, Any]:
    """How many of 5,000 genes have a pixel of 224x224 to themselves; the others are averaged."""
    X = table_entry("expression").load().load(seed=100, n_samples=1200, n_features=N_FEATURES).X
    shares = {}
    for name in ("deepinsight_pca", "deepinsight_tsne"):
        module = entry("methods", name).load()
        pipeline = module.build(module.Params(), device="cpu", seed=0)
        places = pipeline.named_steps["convert"].fit(X).transformer_._coords
        _, counts = np.unique(places, axis=0, return_counts=True)
        shares[f"{name}_alone_percent"] = 100 * float((counts == 1).sum()) / len(places)
        shares[f"{name}_most_on_one"] = int(counts.max())
    return shares


def cam_maps() -> dict[str, Any]:
    """Class activation maps at 224x224: `compute_cam` copies all maps so far after every batch."""
    steps = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = nn.Sequential(*steps, nn.Linear(4, 2))
    images = torch.rand(1024, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    class_cam = _deepinsight().class_cam
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


def igtd_steps() -> dict[str, Any]:
    """Milliseconds a step of the search, TINTOlib's and ours, which takes the same steps."""
    igtd = entry("methods", "igtd").load()
    milliseconds = {}
    for p in (64, 144, 256):
        X = np.random.default_rng(0).normal(size=(200, p)).astype(np.float32)
        for search in ("tintolib", "vectorised"):
            params = igtd.Params(max_step=200, val_step=200, search=search)
            place = igtd.build(params, device="cpu", seed=0).named_steps["convert"].place
            start = time.perf_counter()
            place(X)
            milliseconds[f"{search}_{p}_ms"] = 1000 * (time.perf_counter() - start) / 200
    return milliseconds


def refined() -> dict[str, Any]:
    """REFINED as TINTOlib's manual calls it."""
    import pandas as pd
    from TINTOlib.refined import REFINED

    X = np.random.default_rng(0).random((50, 36))
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # it writes there
        try:
            REFINED("unsupervised", None, n_processors=2).fit(pd.DataFrame(X))
        except Exception as error:  # whatever a user would meet
            return {"ended": f"{type(error).__name__}: {error}"[:200]}
    return {"ended": "fitted"}


def _igtd(X: np.ndarray, image_format: str = "npy") -> Any:
    import pandas as pd
    from TINTOlib.igtd import IGTD

    size = {"scale": [6, 6], "max_step": 200}
    igtd = IGTD("regression", None, format=image_format, random_seed=0, **size)
    igtd.fit(pd.DataFrame(X).assign(target=0))
    return igtd


def _our_igtd(X: np.ndarray) -> Any:
    igtd = entry("methods", "igtd").load()
    params = igtd.Params(max_step=200, scaling="minmax")
    return igtd.build(params, device="cpu", seed=0).named_steps["convert"].fit(X)


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
    check.__name__: check
    for check in (
        norm2,
        images_as_rgb,
        images_as_scalars,
        images_in_blocks,
        shared_pixels,
        cam_maps,
        igtd_neighbours,
        igtd_positions,
        png_contrast,
        igtd_steps,
        refined,
    )
}


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for name, check in CHECKS.items():
        for record in records:
            if record["case"] == name:
                figures = record["measured"].items()
                said = "; ".join(f"{k.replace('_', ' ')} {_short(v)}" for k, v in figures)
                rows.append([(check.__doc__ or "").strip().rstrip("."), said])
    return table(["check", "measured"], rows)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
