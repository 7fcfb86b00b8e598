"""Each attribution method on a few images of 14x14: perturbing pixels takes as many runs."""

from .devices import there
from .workloads import attribute

METHODS = (
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "gradient_shap",
    "deep_lift",
    "guided_backprop",
    "lrp",
    "grad_cam",
    "feature_ablation",
    "occlusion",
    "kernel_shap",
)


class Attribution:
    """One map a class."""

    params = (METHODS, ("cpu", "cuda"))
    param_names = ("method", "device")
    number = 1

    def setup(self, method: str, device: str) -> None:
        self.synchronise = there(device)
        self.timed = attribute(method, side=14, device=device)
        self.timed.once()
        self.synchronise()

    def time_attribution(self, *_: object) -> None:
        self.timed.once()
        self.synchronise()
