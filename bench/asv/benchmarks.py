"""asv's benchmarks: workloads at several sizes, on the CPU and, if there is one, on a GPU."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from . import harness, workloads
from .figures import figures
from .timed import Timed

# Only the engine is installed; the rest of the measured commit lies beside it.
sys.path.append(str(Path(import_module("deepmapper").__path__[0]).parent))

BACKBONES = (
    *("patch", "cnn_small", "resnet18", "resnet18_rgb", "resnet18_small_stem", "vit", "retnet"),
)
EXPLAINERS = (
    *("saliency", "input_x_gradient", "integrated_gradients", "gradient_shap", "deep_lift"),
    *("guided_backprop", "lrp", "grad_cam", "feature_ablation", "occlusion", "kernel_shap"),
)
DEVICES = ("cpu", "cuda")
N_FEATURES = (1_000, 10_000, 60_000)
N_VALUES = 4_000_000  # of a table, whatever its number of features
N_IMAGES = {28: 32, 139: 4}  # by side


def synchroniser(device: str) -> Callable[[], None]:
    """The function that waits until a device has done all its work.

    Raises:
        NotImplementedError: there is no such device; asv skips the benchmark and shows why.
    """
    import torch

    if device == "cpu":
        return lambda: None
    if not torch.cuda.is_available():
        message = "no CUDA device on this machine"
        raise NotImplementedError(message)
    return torch.cuda.synchronize


class _Workload:
    """A workload that `make` gives for the parameters; a device is the last of them."""

    make: Callable[..., Timed]
    is_warmed = True  # by a run on the CPU; on a GPU always, since the first run loads kernels

    def setup(self, *parameters: Any) -> None:
        self.device = parameters[-1] if parameters and parameters[-1] in DEVICES else "cpu"
        self.synchronise = synchroniser(self.device)
        self.timed = self.make(*parameters)
        if self.is_warmed or self.device != "cpu":
            self.once()

    def once(self, *_: object) -> None:
        self.timed.once()
        self.synchronise()


class _Clocked(_Workload):
    def time_run(self, *_: object) -> None:
        self.once()


def _figure(name: str, unit: str) -> Callable[..., float]:
    """A method that tracks a figure of one run that does not depend on the clock."""

    def track(self: _Workload, *_: object) -> float:
        return figures(self.timed, self.device)[name][0]

    track.unit = unit  # type: ignore[attr-defined]
    return track


class Normalise(_Clocked):
    """Learn a scaling and apply it."""

    params = (N_FEATURES, ("standard", "minmax", "none"))
    param_names = ("n_features", "scale")

    def make(self, p: int, scale: str) -> Timed:
        return workloads.normalise(N_VALUES // p, p, scale)


class Fold(_Clocked):
    """Rows become images."""

    params = (N_FEATURES, ("natural", "random"))
    param_names = ("n_features", "layout")
    peakmem_run = _Workload.once
    track_allocated = _figure("allocated_torch", "tables")

    def make(self, p: int, layout: str) -> Timed:
        return workloads.fold(N_VALUES // p, p, layout)


class Unfold(_Clocked):
    """Images become values a feature."""

    params = (N_FEATURES, ("natural", "random"))
    param_names = ("n_features", "layout")

    def make(self, p: int, layout: str) -> Timed:
        return workloads.unfold(N_VALUES // p, p, layout)


class Convert(_Clocked):
    """Scale and fold in one go, as the engine does it."""

    params = (N_FEATURES, DEVICES)
    param_names = ("n_features", "device")
    peakmem_run = _Workload.once
    track_passes = _figure("passes", "passes over the table")
    track_peak = _figure("peak_numpy", "tables")

    def make(self, p: int, device: str) -> Timed:
        return workloads.convert(N_VALUES // p, p, device=device)


class Layout(_Clocked):
    """Learn a layout: features that vary together get pixels side by side."""

    params = ((256, 1_024, 8_192),)
    param_names = ("n_features",)
    number = 1
    timeout = 300

    def make(self, p: int) -> Timed:
        return workloads.learn_layout(n_features=p)


class LayoutMemory(_Workload):
    """The same at the number of features that takes the most memory."""

    timeout = 300
    peakmem_run = _Workload.once

    def make(self) -> Timed:
        return workloads.learn_layout(n_features=8_192)


class Screen(_Clocked):
    """Compare classes feature by feature, and pair by pair."""

    params = ((28, 139), (False, True))
    param_names = ("side", "pairs")
    number = 1

    def make(self, side: int, pairs: bool) -> Timed:
        return workloads.screen(side=side, interactions=pairs)


class Epoch(_Workload):
    """Train a fresh network for one epoch; it is made outside the clock."""

    params = (BACKBONES, tuple(N_IMAGES), DEVICES)
    param_names = ("backbone", "side", "device")
    number = 1  # a network is trained once: `setup` makes the next
    warmup_time = 0.0
    is_warmed = False

    def make(self, backbone: str, side: int, device: str) -> Timed:
        return workloads.train(backbone, N_IMAGES[side], side, device=device)

    def setup(self, *parameters: Any) -> None:
        super().setup(*parameters)
        self.network: Any = self.timed.before()
        self.synchronise()

    def time_run(self, *_: object) -> None:
        self.timed.run(self.network)
        self.synchronise()

    peakmem_run = time_run


class Step(_Workload):
    """Operators of one epoch of a small table."""

    params = (BACKBONES,)
    param_names = ("backbone",)
    is_warmed = False
    track_operators = _figure("operators", "operators")

    def make(self, backbone: str) -> Timed:
        return workloads.train(backbone, 8, 28)


class Predict(_Clocked):
    """Logits of images."""

    params = (("patch", "cnn_small", "resnet18"), DEVICES)
    param_names = ("backbone", "device")

    def make(self, backbone: str, device: str) -> Timed:
        return workloads.predict(backbone, device=device)


class Attribution(_Clocked):
    """One map a class, of few images: perturbing pixels takes as many runs as there are pixels."""

    params = (EXPLAINERS, DEVICES)
    param_names = ("method", "device")
    number = 1

    def make(self, method: str, device: str) -> Timed:
        return workloads.attribute(method, side=14, device=device)


class StoreAppend(_Clocked):
    """Write records with their arrays, one after the other."""

    def make(self) -> Timed:
        return harness.store_append()


class StoreRead(_Clocked):
    """Read all records of a store as a frame."""

    params = ((100, 2_000),)
    param_names = ("n_records",)
    peakmem_run = _Workload.once

    def make(self, n_records: int) -> Timed:
        return harness.store_read(n_records)


class Report(_Clocked):
    """Build the report of 40 cells: its tables alone, and all of it."""

    params = (("report_tables", "report_build"),)
    param_names = ("part",)
    number = 1
    timeout = 300

    def make(self, part: str) -> Timed:
        return getattr(harness, part)()


class CommandLine(_Clocked):
    """Import a command line in a fresh Python."""

    params = (("bench", "deepmapper"),)
    param_names = ("package",)
    number = 1

    def make(self, package: str) -> Timed:
        return harness.import_cli(package)
