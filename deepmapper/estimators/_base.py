"""Shared parts of the estimators: checks of parameters and tables, and latents."""

import difflib
import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, InvalidParameterError, StrOptions
from torch import nn

from deepmapper.attribution import evaluated
from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import check_rows, dense, is_on_disk
from deepmapper.images.layouts import LAYOUTS, Layout
from deepmapper.images.scaling import FeatureScaler, check_finite
from deepmapper.training.trainer import TrainingSettings

# Called after each epoch with its row of the history.
OnEpoch = Callable[[dict[str, Any]], None]
NESTED = "training__"
ROWS_COMPARED = 256  # new rows whose values are compared with those of the training rows
FEWEST_COMPARED = 5
# Standard deviations: counts given to a model of logarithms, or the reverse, lie outside.
NEAR, FAR = 0.2, 2.0
# A feature with fewer float32 numbers between its ends, or a smaller range, is rescaled in float64.
FEWEST_LEVELS, SMALLEST_RANGE = 1000, 1e-35
ROUNDING = 1e-11  # of its values: a feature that varies by less is constant
# Constraints of the parameters that both estimators of tables have.
COMMON_CONSTRAINTS: dict[str, list[Any]] = {
    "layout": [StrOptions(set(LAYOUTS)), Layout, "array-like"],
    "log": ["boolean", StrOptions({"auto"})],
    "scale": [StrOptions({"standard", "minmax", "none"})],
    "passes": [Interval(Integral, 1, None, closed="left")],
    "device": [str],
    "random_state": ["random_state"],
}


class ValidatedEstimator(BaseEstimator):
    """An estimator that checks its parameters by `_parameter_constraints` in `fit`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]]
    training: Any  # only some estimators have it

    def set_params(self, **params: Any) -> Self:
        """Set parameters. `training__max_epochs` sets one of the training settings.

        Parameters
        ----------
        **params : Any
            Names and values.

        Returns
        -------
        self : estimator

        Raises
        ------
        DeepMapperError
            A training setting is unknown or out of range.
        ValueError
            A parameter is unknown (scikit-learn's message).
        """
        nested = {name: value for name, value in params.items() if name.startswith(NESTED)}
        super().set_params(**{name: params[name] for name in params if name not in nested})
        if nested:
            current = TrainingSettings.of(self.training)
            changes = {name.removeprefix(NESTED): value for name, value in nested.items()}
            self.training = TrainingSettings.of(vars(current) | changes)
        return self

    def _validate_params(self) -> None:
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            raise DeepMapperError(str(error)) from error

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class Float32Transformer(TransformerMixin):
    """A transformer whose result is float32."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def check_table(estimator: BaseEstimator, X: Any, *, reset: bool, **options: Any) -> Any:
    """Return X as float32 (n_samples, n_features), dense, CSR or memory-mapped.

    A wrong shape, type or feature name raises scikit-learn's ValueError. Missing or infinite values
    raise a DeepMapperError. Scaling checks the values of a memory-mapped table.

    Features that float32 cannot hold, such as times of 1.7e9 s that differ by seconds, are mapped
    to 0..1 (over the training rows). The attribute `rescaled_` has their columns, minima and
    ranges. It is None if there are no such features.
    """
    given = convert_column_names(X)
    with np.errstate(over="ignore"):
        X = check_rows(estimator, given, reset=reset, ensure_all_finite=False, **options)
    if reset:
        estimator.rescaled_ = _beyond_float32(given, X) if isinstance(X, np.ndarray) else None
    if is_on_disk(X):
        return X
    if getattr(estimator, "rescaled_", None) is not None:  # older saved models have none
        columns, low, span = estimator.rescaled_
        X = X.toarray() if sparse.issparse(X) else X.copy()
        X[:, columns] = (_in_float64(given, columns) - low) / span
    check_finite(X, getattr(estimator, "feature_names_in_", None))
    return X


def _beyond_float32(given: Any, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Columns, minima and ranges of features that vary in `given`, and hardly in X (float32)."""
    types = given.dtypes if isinstance(given, pd.DataFrame) else [getattr(given, "dtype", None)]
    if is_on_disk(X) or all(dtype == np.float32 for dtype in types):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        low, high = X.min(0), X.max(0)
        step = np.spacing(np.maximum(np.abs(low), np.abs(high)))
        is_held = (high - low >= FEWEST_LEVELS * step) & (high - low >= SMALLEST_RANGE)
        columns = np.flatnonzero(~is_held)
        values = _in_float64(given, columns)
        low, span = values.min(0), np.ptp(values, axis=0)
        varies = (span > ROUNDING * np.abs(values).max(0)) & np.isfinite(span)
    return (columns[varies], low[varies], span[varies]) if varies.any() else None


def _in_float64(X: Any, columns: np.ndarray) -> np.ndarray:
    """Some columns of a table of any kind, dense."""
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, columns].to_numpy(dtype=np.float64, na_value=np.nan)
    if sparse.issparse(X):
        return X.tocsc()[:, columns].toarray().astype(np.float64)
    return np.asarray(X)[:, columns].astype(np.float64)


def convert_column_names(X: Any) -> Any:
    """X with integer names of columns, such as Entrez ids, converted to text.

    The default names 0, 1, ... of a DataFrame stay: scikit-learn ignores them.
    """
    columns = X.columns if isinstance(X, pd.DataFrame) else ()
    has_default_names = isinstance(columns, pd.RangeIndex) and columns.start == 0
    if has_default_names or not len(columns):
        return X
    if not all(isinstance(name, Integral | np.integer) for name in columns):
        return X
    return X.set_axis([str(name) for name in columns], axis=1)


def warn_of_other_units(X: Any, scaler: FeatureScaler) -> None:
    """Warn if the first new rows lie far from the training rows, as counts and logarithms do."""
    if scaler.scale != "standard":
        return
    block = dense(X, slice(0, ROWS_COMPARED))
    scaled = torch.empty(block.shape)
    scaler.scale_into(scaled, block)
    scaled = scaled[:, torch.from_numpy(scaler.factor_ != 0)]
    if not scaled.numel():
        return
    distance = float(scaled.square().mean().sqrt())
    variation = float((scaled - scaled.mean(0)).square().mean().sqrt())
    too_near = len(scaled) >= FEWEST_COMPARED and 0 < variation < NEAR
    if distance > FAR or too_near:
        warnings.warn(
            f"the new rows lie {distance:.2g} standard deviations from the mean of the training "
            f"rows and vary by {variation:.2g} (root mean squares; about 1 is usual). Are they in "
            "the same units: counts or logarithms, the same normalisation?",
            stacklevel=3,
        )


def layer_names(network: nn.Module) -> list[str]:
    """The names of all modules inside the network, in the order of their definition."""
    return [name for name, _ in network.named_modules() if name]


def latent(network: nn.Module, images: Any, layer: str, batch_size: int = 256) -> torch.Tensor:
    """The output of a layer, (n, ...), for each image, on the network's device.

    Paper: Methods, self-supervised mode ("the output of any hidden layer can be used"). The network
    runs in evaluation mode. Its modes and hooks are restored. If a layer is called more than once
    for an image, the last call counts. `images` are a tensor (n, 1, h, w) on the network's device,
    or an object with a length that slices to one. `layer` is a name of `layer_names`.

    A DeepMapperError is raised if no layer has that name, there are no images, or the layer does
    not return a tensor with one row per image.
    """
    known = layer_names(network)
    if layer not in known:
        nearest = difflib.get_close_matches(layer, known, n=1, cutoff=0.0)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        message = f"the network has no layer {layer!r}; {hint}known: {', '.join(known) or 'none'}"
        raise DeepMapperError(message)
    if len(images) == 0:
        message = "latents need at least one image, got none"
        raise DeepMapperError(message)
    outputs: list[Any] = []
    module = network.get_submodule(layer)

    def keep(_: nn.Module, inputs: Any, output: Any) -> None:
        # A copy: a later step may change the output in place.
        outputs.append(output.clone() if isinstance(output, torch.Tensor) else output)

    handle = module.register_forward_hook(keep)
    batches = []
    try:
        with evaluated(network), torch.no_grad():
            for start in range(0, len(images), batch_size):
                outputs.clear()
                batch = images[start : start + batch_size]
                network(batch)
                batches.append(_last(outputs, len(batch), layer))
    finally:
        handle.remove()
    return torch.cat(batches)


def _last(outputs: list[Any], n: int, layer: str) -> torch.Tensor:
    if not outputs:
        message = f"the layer {layer!r} is not called when images run through the network"
        raise DeepMapperError(message)
    output = outputs[-1]
    if not isinstance(output, torch.Tensor) or output.ndim == 0 or len(output) != n:
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        message = f"the layer {layer!r} gives no row per image: expected ({n}, ...), got {got}"
        raise DeepMapperError(message)
    return output
