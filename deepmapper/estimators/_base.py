"""What the estimators share: validated parameters, validated tables, the callback of an epoch."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils._param_validation import InvalidParameterError

from deepmapper.errors import DeepMapperError
from deepmapper.images._rows import checked, is_on_disk
from deepmapper.images.scaling import check_finite
from deepmapper.training.trainer import TrainingSettings

# Called after each epoch with its row of the history.
OnEpoch = Callable[[dict[str, Any]], None]
NESTED = "training__"


class ValidatedEstimator(BaseEstimator):
    """An estimator whose parameters are checked against `_parameter_constraints` in `fit`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]]
    training: Any  # of those estimators that have it

    def set_params(self, **params: Any) -> Self:
        """Set parameters; `training__max_epochs` sets one of the training settings."""
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


class Float32TransformerMixin(TransformerMixin):
    """A transformer that returns float32 for any input."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def checked_table(estimator: BaseEstimator, X: Any, *, reset: bool, **options: Any) -> Any:
    """Return X as float32 (n_samples, n_features), dense, CSR or memory-mapped.

    The values of a memory-mapped table are not read here: scaling checks them.

    Raises:
        ValueError: wrong shape, type or feature names (scikit-learn's messages).
        DeepMapperError: values that are missing or infinite.
    """
    X = checked(estimator, with_text_names(X), reset=reset, ensure_all_finite=False, **options)
    if not is_on_disk(X):
        check_finite(X, getattr(estimator, "feature_names_in_", None))
    return X


def with_text_names(X: Any) -> Any:
    """Return X; the integer names of a DataFrame's columns, Entrez ids for instance, become text.

    The default names 0, 1, ... of a DataFrame stay: scikit-learn takes them for no names.
    """
    columns = getattr(X, "columns", None)
    if columns is None or (isinstance(columns, pd.RangeIndex) and columns.start == 0):
        return X
    if not len(columns) or not all(isinstance(name, Integral | np.integer) for name in columns):
        return X
    return X.set_axis([str(name) for name in columns], axis=1)
