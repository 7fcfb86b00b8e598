"""Methods that set pixels to the baseline and compare outputs.

Their cost is forward passes: the number of images times the number of changes. `check_cost` refuses
a call that would take hours.
"""

import math

import numpy as np
import torch

from deepmapper.attribution._batch import Batch, Settings
from deepmapper.errors import DeepMapperError

MOST_IMAGES, MOST_PIXELS = 1024, 2**22  # of one forward pass without gradients
# Pixels lie on the last two axes of an image shape; channels share their pixel's group.


def feature_ablation(batch: Batch) -> torch.Tensor:
    """The drop of the output if a pixel or group is set to the baseline."""
    from captum.attr import FeatureAblation

    return FeatureAblation(batch.network).attribute(
        batch.images,
        batch.baseline,
        target=batch.target,
        feature_mask=_feature_mask(batch, _single_pixels(batch.shape)),
        perturbations_per_eval=_n_copies(batch.images),
    )


def occlusion(batch: Batch) -> torch.Tensor:
    """The mean drop over the windows that cover a pixel (Zeiler & Fergus 2014)."""
    from captum.attr import Occlusion

    shape = batch.shape
    window, stride = occlusion_window(shape, batch.settings)
    channels = shape[: len(shape) - len(window)]
    return Occlusion(batch.network).attribute(
        batch.images,
        (*channels, *window),
        (*channels, *stride),
        batch.baseline,
        target=batch.target,
        perturbations_per_eval=_n_copies(batch.images),
    )


def kernel_shap(batch: Batch) -> torch.Tensor:
    """Shapley values of pixel groups by weighted regression (Lundberg & Lee 2017)."""
    from captum.attr import KernelShap

    mask = _feature_mask(batch, grid(batch.shape))
    # One image at a time: Captum fits one regression per image.
    return torch.cat(
        [
            KernelShap(batch.network).attribute(
                image,
                batch.baseline,
                target=batch.target,
                feature_mask=mask,
                n_samples=n_perturbations("kernel_shap", batch.shape, batch.settings),
                perturbations_per_eval=_n_copies(image),
            )
            for image in batch.images.split(1)
        ]
    )


def grid(image_shape: tuple[int, ...], most: int = 64) -> np.ndarray:
    """Group the pixels of an image by at most `most` blocks of a regular grid.

    Parameters
    ----------
    image_shape : tuple of int
        The last two are height and width.
    most : int, default=64
        Maximum number of groups.

    Returns
    -------
    int array of shape (height, width)
        The group of each pixel, counted from 0.

    Examples
    --------
    >>> grid((1, 4, 6), most=4)
    array([[0, 0, 0, 1, 1, 1],
           [0, 0, 0, 1, 1, 1],
           [2, 2, 2, 3, 3, 3],
           [2, 2, 2, 3, 3, 3]])
    """
    *above, width = tuple(image_shape[-2:])
    height = above[0] if above else 1
    rows = min(height, math.isqrt(most))
    columns = min(width, most // rows)
    row = np.arange(height) * rows // height
    column = np.arange(width) * columns // width
    return (row[:, None] * columns + column).reshape(tuple(image_shape[-2:]))


def occlusion_window(
    image_shape: tuple[int, ...], settings: Settings | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Choose window and stride of occlusion, in pixels, for images of this shape.

    Parameters
    ----------
    image_shape : tuple of int
        The last two are height and width.
    settings : Settings, default=None
        By default, the window is a seventh of a side and the stride half of that.

    Returns
    -------
    window, stride : tuple of int
        Height and width of the window, and steps down and to the right.

    Raises
    ------
    DeepMapperError
        The window does not fit into the image, or the strides leave gaps.

    Examples
    --------
    >>> occlusion_window((1, 139, 139))
    ((20, 20), (10, 10))
    """
    settings = settings or Settings()
    plane = tuple(image_shape[-2:])
    window = settings.window or tuple(math.ceil(side / 7) for side in plane)
    stride = settings.stride or tuple(math.ceil(side / 2) for side in window)
    fits = len(window) == len(stride) == len(plane) and all(
        1 <= step <= side <= full for step, side, full in zip(stride, window, plane, strict=True)
    )
    if not fits:
        message = (
            f"occlusion needs 1 <= stride <= window <= image in each of {len(plane)} directions; "
            f"got stride {stride}, window {window}, image {plane}"
        )
        raise DeepMapperError(message)
    return window, stride


def n_perturbations(method: str, image_shape: tuple[int, ...], settings: Settings) -> int:
    """Forward passes per image, 0 for a method that does not perturb."""
    plane = tuple(image_shape[-2:])
    if method == "feature_ablation":
        return _n_groups(settings, _single_pixels(image_shape))
    if method == "occlusion":
        window, stride = occlusion_window(image_shape, settings)
        steps = zip(plane, window, stride, strict=True)
        return math.prod(math.ceil((full - side) / step) + 1 for full, side, step in steps)
    if method == "kernel_shap":
        n_groups = _n_groups(settings, grid(image_shape))
        if n_groups < 2:
            message = f"kernel_shap shares the output among groups and needs two, got {n_groups}"
            raise DeepMapperError(message)
        return settings.n_coalitions or max(64, 4 * n_groups)
    return 0


def check_cost(
    method: str, image_shape: tuple[int, ...], settings: Settings, n_images: int
) -> None:
    """Raise DeepMapperError if a method would exceed `max_pixel_evaluations`."""
    n_passes = n_images * n_perturbations(method, image_shape, settings)
    n_evaluations = n_passes * math.prod(image_shape)
    if n_evaluations > settings.max_pixel_evaluations:
        remedy = {
            "feature_ablation": "feature_groups (`grid` makes some)",
            "occlusion": "a wider window and stride",
            "kernel_shap": "fewer feature_groups or n_coalitions",
        }[method]
        message = (
            f"{method} would send {n_passes:,} images of {math.prod(image_shape):,} pixels through "
            f"the network, {n_evaluations:.1e} pixels; the limit is "
            f"{settings.max_pixel_evaluations:.1e}. Try {remedy}, a smaller max_samples or fewer "
            "classes, a method by gradients, or raise max_pixel_evaluations"
        )
        raise DeepMapperError(message)


def _single_pixels(image_shape: tuple[int, ...]) -> np.ndarray:
    plane = tuple(image_shape[-2:])
    return np.arange(math.prod(plane)).reshape(plane)


def _n_groups(settings: Settings, default: np.ndarray) -> int:
    groups = default if settings.feature_groups is None else settings.feature_groups
    return len(np.unique(groups))


def _feature_mask(batch: Batch, default: np.ndarray) -> torch.Tensor:
    """Group numbers 0..k-1, of a shape that broadcasts to one image."""
    groups = batch.settings.feature_groups
    groups = default if groups is None else np.asarray(groups)
    if groups.shape != default.shape or not np.issubdtype(groups.dtype, np.integer):
        message = (
            f"feature_groups is an integer per pixel, of shape {default.shape}; got "
            f"{groups.dtype} of shape {groups.shape}"
        )
        raise DeepMapperError(message)
    numbers = np.unique(groups, return_inverse=True)[1].reshape(groups.shape)
    leading_axes = (1,) * (batch.images.ndim - groups.ndim)
    return torch.from_numpy(numbers.reshape(*leading_axes, *groups.shape)).to(batch.images.device)


def _n_copies(images: torch.Tensor) -> int:
    """Number of changed copies of each image in one forward pass."""
    return max(1, min(MOST_IMAGES // len(images), MOST_PIXELS // images.numel()))
