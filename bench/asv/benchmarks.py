"""asv's benchmarks: workloads at several sizes."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from . import harness, workloads
from .figures import figures
from .workloads import Timed

# Only the engine is installed; the rest of the measured commit lies beside it.
sys.path.append(str(Path(import_module("deepmapper").__path__[0]).parent))

BACKBONES = (
    *("patch", "cnn_small", "resnet18", "resnet18_rgb", "resnet18_small_stem", "vit", "retnet"),
)
EXPLAINERS = (
    *("saliency", "input_x_gradient", "integrated_gradients", "gradient_shap", "deep_lift"),
    *("guided_backprop", "lrp", "grad_cam", "feature_ablation", "occlusion", "kernel_shap"),
)
N_FEATURES = (1_000, 10_000, 60_000)
N_VALUES = 4_000_000  # of a table, whatever its number of features
N_IMAGES = {28: 32, 139: 4}  # by side


class _Workload:
    """A workload that `make` returns for the parameters."""

    make: Callable[..., Timed]
    param_names: tuple[str, ...] = ()

    def setup(self, *parameters: Any) -> None:
        self.timed = self.make(**dict(zip(self.param_names, parameters, strict=True)))
        self.once()

    def once(self, *_: object) -> None:
        self.timed.once()


def _figure(name: str, unit: str) -> Callable[..., float]:
    """A method that tracks a figure of one run that does not depend on the clock."""

    def track(self: _Workload, *_: object) -> float:
        return figures(self.timed)[name][0]

    track.unit = unit  # type: ignore[attr-defined]
    return track


TIME = {"time_run": _Workload.once}
PEAK = {"peakmem_run": _Workload.once}
ONCE = {**TIME, "number": 1}


def _benchmark(
    name: str, make: Callable[..., Timed], methods: dict[str, Any], **axes: tuple[Any, ...]
) -> type[_Workload]:
    """A benchmark: a workload made with each combination of the axes, and how it is measured."""
    names = {"params": tuple(axes.values()), "param_names": tuple(axes)} if axes else {}
    return type(name, (_Workload,), {"make": staticmethod(make), **names, **methods})


def _sized(make: Callable[..., Timed]) -> Callable[..., Timed]:
    """The workload on a table of `N_VALUES` values."""
    return lambda n_features, **more: make(N_VALUES // n_features, n_features, **more)


LAYOUTS = ("natural", "random")
Normalise = _benchmark(
    *("Normalise", _sized(workloads.normalise), TIME),
    n_features=N_FEATURES,
    scale=("standard", "minmax", "none"),
)
Fold = _benchmark(
    *("Fold", _sized(workloads.fold)),
    {**TIME, **PEAK, "track_allocated": _figure("allocated_torch", "tables")},
    n_features=N_FEATURES,
    layout=LAYOUTS,
)
Unfold = _benchmark("Unfold", _sized(workloads.unfold), TIME, n_features=N_FEATURES, layout=LAYOUTS)
Convert = _benchmark(
    *("Convert", _sized(workloads.convert)),
    {
        **TIME,
        **PEAK,
        "track_passes": _figure("passes", "passes over the table"),
        "track_peak": _figure("peak_numpy", "tables"),
    },
    n_features=N_FEATURES,
)
Layout = _benchmark(
    *("Layout", workloads.learn_layout, {**ONCE, "timeout": 300}), n_features=(256, 1_024, 8_192)
)
LayoutMemory = _benchmark(
    *("LayoutMemory", workloads.learn_layout, {**PEAK, "timeout": 300}), n_features=(8_192,)
)
Screen = _benchmark(
    "Screen", workloads.screen, ONCE, side=tuple(N_IMAGES), interactions=(False, True)
)
Step = _benchmark(
    *("Step", lambda backbone: workloads.train(backbone, 8, 28)),
    {"track_operators": _figure("operators", "operators")},
    backbone=BACKBONES,
)
Predict = _benchmark(
    *("Predict", workloads.predict, TIME),
    backbone=("patch", "cnn_small", "resnet18"),
)
# Few images: perturbing pixels takes as many runs as there are pixels.
Attribution = _benchmark(
    *("Attribution", lambda **axes: workloads.attribute(side=14, **axes), ONCE),
    method=EXPLAINERS,
)
StoreAppend = _benchmark("StoreAppend", harness.store_append, TIME)
StoreRead = _benchmark("StoreRead", harness.store_read, TIME | PEAK, n_records=(100, 2_000))
Report = _benchmark(
    *("Report", lambda part: getattr(harness, part)(), {**ONCE, "timeout": 300}),
    part=("report_tables", "report_build"),
)
CommandLine = _benchmark(
    "CommandLine", harness.import_cli, ONCE, module=("bench.cli", "deepmapper._app.cli")
)


class Epoch(_Workload):
    """Train a fresh network for one epoch; it is made outside the clock."""

    params = (BACKBONES, tuple(N_IMAGES))
    param_names = ("backbone", "side")
    number = 1  # a network is trained once: `setup` makes the next
    warmup_time = 0.0

    def setup(self, backbone: str, side: int) -> None:
        self.timed = workloads.train(backbone, N_IMAGES[side], side)
        self.network: Any = self.timed.before()

    def time_run(self, *_: object) -> None:
        self.timed.run(self.network)

    peakmem_run = time_run
