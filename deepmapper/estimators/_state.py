"""What a fitted estimator knows, as JSON and named tensors, and back without running code.

Only the kinds of values below and the classes of `CLASSES` can be written or read: a file names
what it holds by words of this list, never by a module or a function to call.
"""

import importlib
import math
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from torch import nn

from deepmapper.errors import DeepMapperError
from deepmapper.training.trainer import TrainingSettings

CLASSES = {
    "Consensus": "deepmapper.estimators.consensus",
    "DeepMapperClassifier": "deepmapper.estimators._classifier",
    "DeepMapperEmbedder": "deepmapper.estimators._embedder",
    "FeatureScaler": "deepmapper.images.scaling",
    "ImageConverter": "deepmapper.images.converter",
    "Layout": "deepmapper.images.layouts",
    "NetworkClassifier": "deepmapper.estimators.network_classifier",
    "Pass": "deepmapper.estimators.network_classifier",
    "TrainingSettings": "deepmapper.training.trainer",
}
LEARNT = re.compile(r"[A-Za-z]\w*_|_n_features_out", re.ASCII)  # scikit-learn's names

# Parameters of models saved before version 0.2.
RENAMED = {"epochs": "max_epochs", "patience": "n_iter_no_change", "optimiser": "optimizer"}
REMOVED = {"relayout", "side_by_side", "run_log"}

Json = Any


class StateWriter:
    """Values to JSON; arrays and the weights of networks gather in `tensors`.

    Args:
        describe: what a network is, in JSON (see `deepmapper.estimators._network_state`).
    """

    def __init__(self, describe: Callable[[nn.Module], Json]) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._describe = describe
        # The values are kept: the id of one that is gone would be given out again.
        self._places: dict[int, tuple[str, Any]] = {}
        self._n_networks = 0

    def write(self, value: Any, place: str = "") -> Json:
        """The value in JSON; `place` is its path, for messages and for the names of tensors.

        Raises:
            DeepMapperError: a value of a kind that cannot be saved.
        """
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"kind": "float", "value": repr(value)}
        if isinstance(value, torch.device):
            return {"kind": "device"}  # chosen anew where the model is loaded
        if isinstance(value, tuple):
            items = [self.write(item, f"{place}.{i}") for i, item in enumerate(value)]
            return {"kind": "tuple", "items": items}
        if id(value) in self._places:
            return {"kind": "same", "place": self._places[id(value)][0]}
        self._places[id(value)] = (place, value)
        return self._write_object(value, place)

    def _write_object(self, value: Any, place: str) -> Json:
        if isinstance(value, list):
            return [self.write(item, f"{place}.{i}") for i, item in enumerate(value)]
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return {"kind": "dict", "items": self._write_all(value, place)}
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            self.tensors[place] = torch.from_numpy(np.array(value, order="C"))
            return {"kind": "array"}
        if isinstance(value, np.ndarray) and value.dtype.kind in "UO" and value.ndim == 1:
            return self._write_words(value, place)
        if isinstance(value, torch.Tensor):
            self.tensors[place] = value.detach().cpu().contiguous()
            return {"kind": "tensor"}
        if isinstance(value, pd.DataFrame):
            return self._write_frame(value, place)
        if isinstance(value, nn.Module):
            return self._write_network(value)
        if type(value).__name__ in CLASSES and type(value) is class_of(type(value).__name__):
            return self._write_known(value, place)
        message = f"{place} cannot be saved: it is a {type(value).__name__}"
        raise DeepMapperError(message)

    def _write_all(self, values: dict[str, Any], place: str) -> Json:
        return {key: self.write(value, f"{place}.{key}") for key, value in values.items()}

    def _write_known(self, value: Any, place: str) -> Json:
        name = type(value).__name__
        if isinstance(value, BaseEstimator):
            learnt = {k: v for k, v in vars(value).items() if LEARNT.fullmatch(k)}
            return {
                "kind": "estimator",
                "class": name,
                "parameters": self._write_all(value.get_params(deep=False), place),
                "learnt": self._write_all(learnt, place),
            }
        if not is_dataclass(value):
            return {"kind": "plain", "class": name, "fields": self._write_all(vars(value), place)}
        given = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        return {"kind": "record", "class": name, "fields": self._write_all(given, place)}

    def _write_words(self, value: np.ndarray, place: str) -> Json:
        codes, words = pd.factorize(value, use_na_sentinel=False)
        plain = [word.item() if isinstance(word, np.generic) else word for word in words]
        if not all(isinstance(word, str | int | bool) for word in plain):
            message = f"{place} cannot be saved: it holds Python objects other than texts, integers"
            raise DeepMapperError(message)
        self.tensors[place] = torch.from_numpy(codes.astype(np.int32))
        return {"kind": "words", "dtype": value.dtype.str, "words": plain}

    def _write_frame(self, frame: pd.DataFrame, place: str) -> Json:
        columns = {
            str(name): {
                "dtype": str(column.dtype),
                "values": self.write(column.to_numpy(), f"{place}.{name}"),
            }
            for name, column in frame.items()
        }
        return {"kind": "frame", "columns": columns}

    def _write_network(self, network: nn.Module) -> Json:
        prefix = f"network.{self._n_networks}."
        self._n_networks += 1
        for name, tensor in network.state_dict().items():
            self.tensors[prefix + name] = tensor.detach().cpu().contiguous().clone()
        return {"kind": "network", "prefix": prefix, "network": self._describe(network)}


class StateReader:
    """The values that a `StateWriter` wrote.

    Args:
        tensors: by name.
        rebuild: a network from its description and its weights.
        device: where networks go.
    """

    def __init__(
        self,
        tensors: dict[str, torch.Tensor],
        rebuild: Callable[[Json, dict[str, torch.Tensor]], nn.Module],
        device: torch.device,
    ) -> None:
        self._tensors = tensors
        self._rebuild = rebuild
        self._device = device
        self._known: dict[str, Any] = {}

    def read(self, data: Json, place: str = "") -> Any:
        """The value that `data` describes.

        Raises:
            DeepMapperError: a class that is not known, tensors that do not fit.
            KeyError, TypeError, ValueError, AttributeError: data that `StateWriter` did not write.
        """
        if data is None or isinstance(data, bool | int | float | str):
            return data
        if isinstance(data, list):
            value: Any = [self.read(item, f"{place}.{i}") for i, item in enumerate(data)]
        else:
            value = self._read_kind(data, place)
        self._known[place] = value
        return value

    def _read_kind(self, data: dict[str, Json], place: str) -> Any:
        match data["kind"]:
            case "float":
                return float(data["value"])
            case "device":
                return self._device
            case "tuple":
                return tuple(
                    self.read(item, f"{place}.{i}") for i, item in enumerate(data["items"])
                )
            case "same":
                return self._known[data["place"]]
            case "dict":
                return self._read_all(data["items"], place)
            case "array":
                return self._tensor(place).numpy()
            case "tensor":
                return self._tensor(place).to(self._device)
            case "words":
                return self._read_words(data, place)
            case "frame":
                return self._read_frame(data["columns"], place)
            case "network":
                return self._read_network(data)
            case "estimator":
                return self._read_estimator(data, place)
            case "record":
                return class_of(data["class"])(**self._read_all(data["fields"], place))
            case "plain":
                return self._read_plain(data, place)
        message = f"{place} is of a kind that is not known: {data['kind']!r}"
        raise DeepMapperError(message)

    def _read_all(self, items: dict[str, Json], place: str) -> dict[str, Any]:
        return {key: self.read(value, f"{place}.{key}") for key, value in items.items()}

    def _read_estimator(self, data: dict[str, Json], place: str) -> Any:
        kind = class_of(data["class"])
        parameters = current_parameters(kind, self._read_all(data["parameters"], place))
        estimator = kind(**parameters)
        for name, value in self._read_all(data["learnt"], place).items():
            if not LEARNT.fullmatch(name) or hasattr(kind, name):
                message = f"{data['class']} learns nothing called {name!r}"
                raise DeepMapperError(message)
            setattr(estimator, name, value)
        return estimator

    def _read_plain(self, data: dict[str, Json], place: str) -> Any:
        kind = class_of(data["class"])
        made = kind.__new__(kind)
        for name, value in self._read_all(data["fields"], place).items():
            if not name.isidentifier() or hasattr(kind, name):
                message = f"{data['class']} has no attribute {name!r} of its own"
                raise DeepMapperError(message)
            setattr(made, name, value)
        return made

    def _read_words(self, data: dict[str, Json], place: str) -> np.ndarray:
        dtype = np.dtype(data["dtype"])
        if dtype.kind not in "UO" or not all(isinstance(w, str | int) for w in data["words"]):
            message = f"{place} holds other things than words"
            raise DeepMapperError(message)
        words = np.empty(len(data["words"]), dtype=dtype)
        words[:] = data["words"]
        codes = self._tensor(place).numpy()
        if len(codes) and (codes.min() < 0 or codes.max() >= len(words)):
            message = f"{place} has codes outside its {len(words)} words"
            raise DeepMapperError(message)
        return words[codes]

    def _read_frame(self, columns: dict[str, Json], place: str) -> pd.DataFrame:
        frame = {}
        for name, column in columns.items():
            values = self.read(column["values"], f"{place}.{name}")
            if column["dtype"] not in FRAME_DTYPES:
                message = f"column {name} of {place} has the unknown type {column['dtype']!r}"
                raise DeepMapperError(message)
            frame[name] = pd.Series(values, dtype=column["dtype"])
        return pd.DataFrame(frame)

    def _read_network(self, data: dict[str, Json]) -> nn.Module:
        prefix = data["prefix"]
        weights = {
            name.removeprefix(prefix): tensor
            for name, tensor in self._tensors.items()
            if name.startswith(prefix)
        }
        return self._rebuild(data["network"], weights).to(self._device)

    def _tensor(self, place: str) -> torch.Tensor:
        if place not in self._tensors:
            message = f"there is no tensor {place!r}"
            raise DeepMapperError(message)
        return self._tensors[place]


FRAME_DTYPES = ("object", "str", "string", "bool", "int64", "int32", "float64", "float32")


def current_parameters(kind: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters that an older version saved, under the names of this one; new ones get defaults.

    Raises:
        DeepMapperError: a parameter that no version had.
    """
    parameters = {RENAMED.get(name, name): value for name, value in parameters.items()}
    parameters = {name: value for name, value in parameters.items() if name not in REMOVED}
    if "balanced" in parameters:
        parameters["class_weight"] = "balanced" if parameters.pop("balanced") else None
    known = set(kind._get_param_names())
    settings = {field.name for field in fields(TrainingSettings)} - known
    moved = {name: parameters.pop(name) for name in settings & set(parameters)}
    if moved and "training" in known:
        parameters["training"] = moved
    unknown = sorted({*parameters, *moved} - known - (settings if "training" in known else set()))
    if unknown:
        message = f"{kind.__name__} has no parameter {', '.join(unknown)} in this version"
        raise DeepMapperError(message)
    return parameters


def class_of(name: str) -> Any:
    """The class of that name.

    Raises:
        DeepMapperError: it is none of `CLASSES`.
    """
    if name not in CLASSES:
        message = f"the class {name!r} is none that a model may hold: {', '.join(sorted(CLASSES))}"
        raise DeepMapperError(message)
    return getattr(importlib.import_module(CLASSES[name]), name)
