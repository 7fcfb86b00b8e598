"""A store of made-up cells with every status and every artifact."""

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from bench.metrics import METRICS
from bench.store.store import SCHEMA, Store
from reports.build import build
from reports.figures.style import SMALLEST

# name -> samples, features, classes, needles
DATASETS: dict[str, tuple[int, int, int, list[int] | None]] = {
    "digits": (1797, 64, 10, None),
    "gisette": (0, 0, 0, None),  # its data are missing
    "needles": (1000, 400, 2, [17, 101, 202, 303, 399]),
    "nihs": (1200, 900, 2, [20, 698]),
    "tcga": (2000, 1024, 7, None),
}
# name -> accuracy above chance (0 to 1), image, seconds of conversion and training
METHODS: dict[str, tuple[float, bool, float, float]] = {
    "deepmapper": (0.97, True, 0.02, 12.0),
    "deepmapper_published": (0.93, True, 0.03, 95.0),
    "deepinsight_tsne": (0.90, True, 30.0, 140.0),
    "logistic": (0.94, False, 0.00001, 1.5),
    "random_forest": (0.92, False, 0.00002, 6.0),
    "majority": (0.0, False, 0.00001, 0.001),
}
TROUBLE = {  # (dataset, method, seed or None for all) -> status, reason
    ("nihs", "deepinsight_tsne", None): ("timeout", "stopped after 300 s in convert_fit"),
    ("tcga", "deepinsight_tsne", 1): ("out_of_memory", "asked for 9.1 GiB of 8 GiB"),
    ("needles", "deepmapper_published", None): ("diverged", "loss is NaN & 50% <of> epoch_3"),
    ("tcga", "random_forest", 0): ("failed", "ValueError: a | b"),
    ("digits", "deepinsight_tsne", None): ("unsupported", "64 features are too few"),
}
ENVIRONMENT = {
    "python": "3.12.1",
    "platform": "Linux x86_64",
    "cpu": "A made-up CPU",
    "n_cpus": 2,
    "memory_mib": 24000.0,
    "gpu": None,
    "packages": {"numpy": "2.4.6", "torch": "2.15.0"},
    "commit": "0123456789abcdef",
    "dirty": False,
}
Record = dict[str, Any]
Arrays = dict[str, np.ndarray]


def trouble(dataset: str, method: str, seed: int) -> tuple[str, str | None]:
    if dataset == "gisette":
        return "unavailable", "no data: run `python -m bench data fetch gisette`"
    for key in ((dataset, method, seed), (dataset, method, None)):
        if key in TROUBLE:
            return TROUBLE[key]
    return "ok", None


def describe(name: str) -> Record:
    n, p, classes, relevant = DATASETS[name]
    sizes = {"n_samples": n, "n_features": p, "n_classes": classes}
    rows = {"n_train": n - n // 4, "n_test": n // 4}
    counts = {k: v or None for k, v in (sizes | rows).items()}
    source = {"citation": "Author (2024)", "address": "https://example.org", "licence": "CC0"}
    return {
        "name": name,
        "label": name,
        "params": {},
        "checksum": "ab" * 32 if n else None,
        **counts,
        "classes": [f"class {c}" for c in range(classes)],
        "relevant": relevant,
        "source": source,
        "prepare_seconds": 0.1,
    }


def measure(skill: float, n_classes: int, ranks: list[int] | None, k: int) -> Record:
    chance = 1 / n_classes
    accuracy = chance + (1 - chance) * skill
    values = {
        "train_accuracy": min(1.0, accuracy + 0.02),
        "accuracy": accuracy,
        "balanced_accuracy": accuracy - 0.01,
        "macro_f1": accuracy - 0.012,
        "log_loss": 2 * (1.02 - accuracy),
        "auroc": min(1.0, accuracy + 0.01) if n_classes == 2 else None,
    }
    if ranks:
        share = float(np.mean([rank <= k for rank in ranks]))
        values |= {"precision_at_k": share, "recall_at_k": share}
        values |= {"worst_needle_rank": max(ranks), "needle_auprc": 1 / float(np.mean(ranks))}
    return dict.fromkeys(METRICS) | values


def phases(method: str, noise: float, attributes: bool) -> Record:
    _, _, convert, train = METHODS[method]
    seconds = {
        "load": 0.2,
        "warm_up": 0.1,
        "convert_fit": convert * 0.5,
        "convert_train": convert * 0.4,
        "train": train,
        "convert_test": convert * 0.1,
        "predict": 0.01 + train * 0.01,
    }
    if attributes:
        seconds["attribute"] = 0.5
    peak = {"peak_host_mib": 400.0 + train, "peak_device_mib": None}
    return {name: {"seconds": s * noise, **peak} for name, s in seconds.items()}


def history(skill: float, epochs: int = 12) -> np.ndarray:
    steps = [
        {
            "pass": 0,
            "epoch": epoch,
            "train_loss": float(np.exp(-epoch * skill / 3)),
            "train_accuracy": float(1 - 0.5 * np.exp(-epoch * skill / 2)),
            "validation_loss": float(0.1 + np.exp(-epoch * skill / 4)),
            "validation_accuracy": float(0.97 - 0.5 * np.exp(-epoch * skill / 3)),
        }
        for epoch in range(epochs)
    ]
    return np.array(json.dumps(steps))


def artifacts(dataset: str, method: str, skill: float, rng: np.random.Generator) -> Arrays:
    n, p, n_classes, relevant = DATASETS[dataset]
    arrays = {"y_test": rng.integers(0, n_classes, n // 4)}
    if METHODS[method][1]:
        side = int(np.ceil(np.sqrt(p)))
        images = np.zeros((4, side * side), dtype=np.float16)
        images[:, :p] = rng.random((4, p)) ** (1 + 3 * skill)
        arrays["example_images"] = images.reshape(4, side, side)
        arrays["example_rows"] = np.arange(4)
        arrays["example_labels"] = np.arange(4) % n_classes
        arrays["history"] = history(skill)
    if relevant and method not in ("majority", "random_forest"):
        scores = rng.random((n_classes, p)).astype(np.float32)
        scores[:, relevant] += 1.5 * skill - 0.6
        arrays["attributions"] = scores
    return arrays


def ranks_of(arrays: Arrays, relevant: list[int] | None) -> list[int] | None:
    if not relevant or "attributions" not in arrays:
        return None
    scores = arrays["attributions"].max(axis=0)
    return [int((scores >= scores[i]).sum()) for i in relevant]


def cell(dataset: str, method: str, seed: int) -> tuple[Record, Arrays]:
    """A record and its arrays, which depend only on the arguments."""
    digest = hashlib.sha256(f"{dataset} {method} {seed}".encode()).hexdigest()
    rng = np.random.default_rng(int(digest[:8], 16))
    status, reason = trouble(dataset, method, seed)
    skill = max(0.0, METHODS[method][0] + rng.normal(0, 0.008)) if METHODS[method][0] else 0.0
    facts, ok = describe(dataset), status == "ok"
    arrays = artifacts(dataset, method, skill, rng) if ok else {}
    ranks = ranks_of(arrays, facts["relevant"])
    side = arrays["example_images"].shape[1:] if "example_images" in arrays else None
    record = {
        "schema": SCHEMA,
        "key": digest[:32],
        "status": status,
        "reason": reason,
        "traceback": f"Traceback\n  <module>\n{reason}" if status == "failed" else None,
        "dataset": facts,
        "method": {
            "name": method,
            "label": method,
            "params": {},
            "source_hash": "cd" * 32,
            "looks_at_labels": False,
        },
        "seed": seed,
        "split": {"kind": "stratified", "test_fraction": 0.25},
        "device": "cpu",
        "phases": phases(method, 1 + 0.1 * rng.random(), ranks is not None) if ok else {},
        "metrics": measure(skill, facts["n_classes"], ranks, len(facts["relevant"] or []))
        if ok
        else dict.fromkeys(METRICS),
        "n_parameters": 11_170_000 if side and ok else None,
        "image_shape": list(side) if side else None,
        "cpu_seconds": 360.0 * (1 + seed) if ok else None,
        "wall_seconds": 20.0 + seed,
        "overhead_seconds": 1.0,
        "threads": 1,
        "jobs": 2,
        "environment": ENVIRONMENT,
        "started": "2024-05-01T10:00:00+00:00",
        "finished": "2024-05-01T10:01:00+00:00",
        "warnings": [],
    }
    return record, arrays


def fill(folder: Path, seeds: int = 2) -> Store:
    """A store with every (dataset, method, seed)."""
    store = Store(folder)
    store.create()
    for dataset in DATASETS:
        for method in METHODS:
            for seed in range(seeds):
                store.put(*cell(dataset, method, seed))
    return store


@pytest.fixture(scope="session")
def make_cell() -> Callable[[str, str, int], tuple[Record, Arrays]]:
    return cell


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The full store with its report. Tests must not change it."""
    store = fill(tmp_path_factory.mktemp("reports") / "made_up")
    build(store.folder)
    return store


@pytest.fixture(scope="session")
def put_again() -> Callable[..., None]:
    """Replace a record. `Store.put` keeps the first."""

    def put(store: Store, record: Record, arrays: Arrays | None = None) -> None:
        (store.cells / f"{record['key']}.json").unlink(missing_ok=True)
        store.put(record, arrays)

    return put


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture(scope="session")
def assert_printable() -> Callable[[Figure, float], None]:
    """Check that a figure fits a width, and that its letters are large and apart."""

    def check(figure: Figure, width: float) -> None:
        assert figure.get_figwidth() <= width
        figure.draw_without_rendering()
        hidden = {
            label
            for axes in figure.axes
            for axis in (axes.xaxis, axes.yaxis)
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
            for label in (tick.label1, tick.label2)
            if not axes.axison
            or not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        }
        texts = {
            text
            for text in figure.findobj(Text)
            if text.get_text().strip() and text.get_visible() and text not in hidden
        }
        assert min(text.get_fontsize() for text in texts) >= SMALLEST
        boxes = {  # the box of a slanted text is larger than the text
            text: text.get_window_extent().padded(-1)
            for text in texts
            if text.get_rotation() % 90 == 0
        }
        outside = [
            text.get_text()
            for text, box in boxes.items()
            if not (figure.bbox.contains(*box.min) and figure.bbox.contains(*box.max))
        ]
        assert not outside, "beyond the edge of the figure"
        over = [
            (a.get_text(), b.get_text())
            for a, b in itertools.combinations(boxes, 2)
            if boxes[a].overlaps(boxes[b])
        ]
        assert not over, "text over text"

    return check
