"""The dials of the attribution methods; the defaults suit tables of 100 to 100,000 features."""

from dataclasses import dataclass

import numpy as np

from deepmapper.errors import DeepMapperError


@dataclass(frozen=True, eq=False)
class Settings:
    """How the methods that have a choice explain an image.

    Args:
        n_steps: of integrated_gradients, points on the way from the baseline (Gauss-Legendre).
        n_draws: of gradient_shap, random points on that way an image.
        noise: of gradient_shap, the standard deviation of Gaussian noise added to the image.
        feature_groups: of feature_ablation and kernel_shap, an integer a pixel, of the image's
            height and width: pixels of one number are switched together and share their value.
            None: each pixel on its own for feature_ablation, `grid` for kernel_shap.
        window, stride: of occlusion, in pixels; None: `occlusion_window` chooses.
        n_coalitions: of kernel_shap, forward passes an image; None: 4 a group, at least 64.
        perturbations_per_eval: changed copies of an image in one forward pass; None: as many as
            make a batch of 1,024 images or 4 million pixels.
        max_pixel_evaluations: feature_ablation, occlusion and kernel_shap refuse to send more
            pixels than that through the network. 2e9 are about 100,000 images of 139 x 139.
    """

    n_steps: int = 16
    n_draws: int = 16
    noise: float = 0.0
    feature_groups: np.ndarray | None = None
    window: tuple[int, ...] | None = None
    stride: tuple[int, ...] | None = None
    n_coalitions: int | None = None
    perturbations_per_eval: int | None = None
    max_pixel_evaluations: float = 2e9

    def __post_init__(self) -> None:
        for name in ("n_steps", "n_draws", "n_coalitions", "perturbations_per_eval"):
            value = getattr(self, name)
            if value is not None and value < 1:
                message = f"attribution needs {name} >= 1, got {value}"
                raise DeepMapperError(message)
        if self.noise < 0:
            message = f"attribution needs noise >= 0 (a standard deviation), got {self.noise}"
            raise DeepMapperError(message)
