"""One epoch of each backbone, at the size of MNIST and at that of the paper's genes."""

from typing import Any

from .devices import there
from .figures import figures
from .workloads import predict, train

BACKBONES = (
    "patch",
    "cnn_small",
    "resnet18",
    "resnet18_rgb",
    "resnet18_small_stem",
    "vit",
    "retnet",
)
N_SAMPLES = {28: 32, 139: 4}


class Epoch:
    """Train a fresh network for one epoch; it is made outside the clock."""

    params = (BACKBONES, (28, 139), ("cpu", "cuda"))
    param_names = ("backbone", "side", "device")
    number = 1  # a network is trained once: `setup` makes the next
    warmup_time = 0.0

    def setup(self, backbone: str, side: int, device: str) -> None:
        self.synchronise = there(device)
        self.device = device
        self.timed = train(backbone, N_SAMPLES[side], side, device=device)
        if device != "cpu":
            self.timed.once()  # what a GPU loads at its first epoch is no epoch's
        self.network: Any = self.timed.before()
        self.synchronise()

    def time_epoch(self, *_: object) -> None:
        self.timed.run(self.network)
        self.synchronise()

    def peakmem_epoch(self, *_: object) -> None:
        self.timed.run(self.network)
        self.synchronise()


class Step:
    """What one epoch of a small table takes, whatever the clock says."""

    params = (BACKBONES,)
    param_names = ("backbone",)

    def setup(self, backbone: str) -> None:
        self.timed = train(backbone, 8, 28)

    def track_operators(self, _: str) -> float:
        return figures(self.timed, "cpu")["operators"][0]

    track_operators.unit = "operators"  # type: ignore[attr-defined]


class Predict:
    """Logits of images."""

    params = (("patch", "cnn_small", "resnet18"), ("cpu", "cuda"))
    param_names = ("backbone", "device")

    def setup(self, backbone: str, device: str) -> None:
        self.synchronise = there(device)
        self.timed = predict(backbone, device=device)
        self.timed.once()
        self.synchronise()

    def time_predict(self, *_: object) -> None:
        self.timed.once()
        self.synchronise()
