"""What pretrained models share: files of weights that are never downloaded, and limits."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from baselines._classifier import SeededClassifier
from datasets.fetch import data_folder
from datasets.table import DataUnavailable, Table


@dataclass(frozen=True)
class WeightParams:
    """The weights of a pretrained model.

    Attributes
    ----------
    weights : str
        Path of the checkpoint, absolute or relative to the data folder.
    sha256 : str
        SHA-256 of the checkpoint.
    """

    weights: str = ""
    sha256: str = ""


class PretrainedClassifier(SeededClassifier):
    """A classifier whose `fit` sets `model_`, the classifier of a package, and `classes_`."""

    model_: Any

    def __init__(self, params: Any, device: str = "cpu", random_state: int = 0) -> None:
        super().__init__(params, random_state)
        self.device = device

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.model_.predict_proba(X)


def verified_weights(path: str, sha256: str, source: str) -> Path:
    """Return the path of a file of weights after a check of its content.

    Parameters
    ----------
    path : str
        Absolute, or relative to the data folder. Empty if it was not given.
    sha256 : str
        Expected SHA-256 of the file, hexadecimal.
    source : str
        Official address and licence, for the message.

    Returns
    -------
    Path

    Raises
    ------
    DataUnavailable
        The path is empty, the file is missing, or its SHA-256 is another one.
    """
    advice = f"Download the file from {source} and set `weights` and `sha256`."
    if not path:
        message = f"the weights are missing: `weights` is empty. {advice}"
        raise DataUnavailable(message)
    file = data_folder() / path
    if not file.is_file():
        message = f"the weights are missing: {file} is not a file. {advice}"
        raise DataUnavailable(message)
    with file.open("rb") as opened:
        actual = hashlib.file_digest(opened, "sha256").hexdigest()
    if actual != sha256.lower():
        message = f"{file} has other weights: expected SHA-256 {sha256!r}, got {actual!r}. {advice}"
        raise DataUnavailable(message)
    return file


def refuse_above(table: Table, model: str, **limits: int) -> str | None:
    """Return the reason why a table is too large for a model, or None.

    Parameters
    ----------
    table : Table
    model : str
        Name of the model, for the reason.
    **limits : int
        Maximum of `n_features`, `n_samples` or `n_classes`.

    Returns
    -------
    str or None
    """
    for name, limit in limits.items():
        if (size := getattr(table, name)) > limit:
            noun = name.removeprefix("n_")
            return f"{model} is made for at most {limit:,} {noun}, got {size:,}"
    return None
