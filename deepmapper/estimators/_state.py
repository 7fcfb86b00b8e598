"""Fitted estimators as JSON and named tensors, and back without running code.

Only the kinds of values in `WRITERS` and `READERS` and the classes of `CLASSES` can be written or
read. A file names its content by words of these lists, never by a module or a function to call.
"""

import importlib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator
from torch import nn

from deepmapper.errors import DeepMapperError
from deepmapper.networks._assembly import build_network
from deepmapper.networks.backbones import BACKBONES
from deepmapper.networks.gate import GatedNetwork, PixelGate
from deepmapper.training.streams import torch_stream
from deepmapper.training.trainer import TrainingSettings

CLASSES = {
    "Calibration": "deepmapper.estimators._calibration",
    "Consensus": "deepmapper.estimators.consensus",
    "DeepMapperClassifier": "deepmapper.estimators._classifier",
    "DeepMapperEmbedder": "deepmapper.estimators._embedder",
    "Evidence": "deepmapper.estimators.evidence",
    "FeatureScaler": "deepmapper.images.scaling",
    "Forest": "deepmapper.estimators._forest",
    "ImageConverter": "deepmapper.images.converter",
    "Layout": "deepmapper.images.layouts",
    "Linear": "deepmapper.estimators._linear",
    "Mixture": "deepmapper.estimators.mixture",
    "NeighbourMap": "deepmapper.estimators._neighbour_map",
    "NetworkClassifier": "deepmapper.estimators.network_classifier",
    "Pass": "deepmapper.estimators.network_classifier",
    "Products": "deepmapper.estimators._products",
    "Ranks": "deepmapper.estimators._linear",
    "TrainingSettings": "deepmapper.training.trainer",
}
LEARNT = re.compile(r"[A-Za-z]\w*_|_n_features_out", re.ASCII)  # scikit-learn's names
FRAME_DTYPES = ("object", "str", "string", "bool", "int64", "int32", "float64", "float32")
AUTOENCODER = "autoencoder"
LARGEST_SIDE = 65_536

# Parameters of models saved before version 0.2.
RENAMED = {"epochs": "max_epochs", "patience": "n_iter_no_change", "optimiser": "optimizer"}
REMOVED = {"relayout", "side_by_side", "run_log"}

Json = Any


class StateWriter:
    """Convert values to JSON. Arrays and the weights of networks go to `tensors`.

    The networks have the named backbone, images of `image_shape` (h, w) and `n_classes` outputs.
    """

    def __init__(self, backbone: str, image_shape: tuple[int, int], n_classes: int) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._description = {
            "backbone": backbone,
            "image_shape": list(image_shape),
            "n_classes": n_classes,
        }
        # Values are kept, so that their ids are not reused.
        self._places: dict[int, tuple[str, Any]] = {}
        self._n_networks = 0

    def write(self, value: Any, place: str = "") -> Json:
        """The value in JSON, or DeepMapperError if it cannot be saved.

        `place` is its path, for messages and for the names of tensors.
        """
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"kind": "float", "value": repr(value)}
        if isinstance(value, torch.device):
            return {"kind": "device"}  # chosen again when the model is loaded
        if isinstance(value, tuple):
            return {"kind": "tuple", "items": self._write_list(value, place)}
        if id(value) in self._places:
            return {"kind": "same", "place": self._places[id(value)][0]}
        self._places[id(value)] = (place, value)
        for types, write in WRITERS.items():
            if isinstance(value, types):
                return write(self, value, place)
        if type(value).__name__ in CLASSES and type(value) is class_of(type(value).__name__):
            return self._write_known(value, place)
        message = f"{place} cannot be saved: it is a {type(value).__name__}"
        raise DeepMapperError(message)

    def _write_list(self, values: Iterable[Any], place: str) -> Json:
        return [self.write(item, f"{place}.{i}") for i, item in enumerate(values)]

    def _write_all(self, values: dict[str, Any], place: str) -> Json:
        return {key: self.write(value, f"{place}.{key}") for key, value in values.items()}

    def _write_dict(self, values: dict[Any, Any], place: str) -> Json:
        if all(isinstance(key, str) for key in values):
            return {"kind": "dict", "items": self._write_all(values, place)}
        return {"kind": "pairs", "items": self._write_list(values.items(), place)}

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
        values = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        return {"kind": "record", "class": name, "fields": self._write_all(values, place)}

    def _write_tensor(self, value: torch.Tensor, place: str) -> Json:
        self.tensors[place] = value.detach().cpu().contiguous()
        return {"kind": "tensor"}

    def _write_array(self, value: np.ndarray, place: str) -> Json:
        if value.dtype.kind in "biuf":
            self.tensors[place] = torch.from_numpy(np.array(value, order="C"))
            return {"kind": "array"}
        words: Any = [None]
        if value.dtype.kind in "UO" and value.ndim == 1:
            codes, words = pd.factorize(value, use_na_sentinel=False)
        values_list = [word.item() if isinstance(word, np.generic) else word for word in words]
        if not all(isinstance(word, str | int | float) for word in values_list):
            message = f"{place} cannot be saved: it holds objects other than texts and numbers"
            raise DeepMapperError(message)
        self.tensors[place] = torch.from_numpy(codes.astype(np.int32))
        return {"kind": "words", "dtype": value.dtype.str, "words": values_list}

    def _write_frame(self, frame: pd.DataFrame, place: str) -> Json:
        columns = {
            str(name): {
                "dtype": str(column.dtype),
                "values": self.write(column.to_numpy(), f"{place}.{name}"),
            }
            for name, column in frame.items()
        }
        return {"kind": "frame", "columns": columns}

    def _write_network(self, network: Any, place: str) -> Json:
        prefix = f"network.{self._n_networks}."
        self._n_networks += 1
        for name, tensor in network.state_dict().items():
            self.tensors[prefix + name] = tensor.detach().cpu().contiguous().clone()
        description = self._description | {"gated": isinstance(network, GatedNetwork)}
        if type(network).__name__ == "Autoencoder":
            description = {
                "backbone": AUTOENCODER,
                "image_shape": list(network.expansion.image_shape),
                "n_components": network.axes.out_features,
                "patch": network.expansion.patch,
                "width": network.expansion.weight.shape[1],
                "dense": network.dense1.out_features,
                "hidden": network.hide.p,
            }
        return {"kind": "network", "prefix": prefix, "network": description}


WRITERS: dict[type, Callable[[StateWriter, Any, str], Json]] = {
    list: StateWriter._write_list,
    dict: StateWriter._write_dict,
    np.ndarray: StateWriter._write_array,
    torch.Tensor: StateWriter._write_tensor,
    pd.DataFrame: StateWriter._write_frame,
    nn.Module: StateWriter._write_network,
}


class StateReader:
    """Read the values that a `StateWriter` wrote, from tensors by name.

    Networks are put on `device`.
    """

    def __init__(self, tensors: dict[str, torch.Tensor], device: torch.device) -> None:
        self.device = device
        self._tensors = tensors
        self._known: dict[str, Any] = {}

    def read(self, data: Json, place: str = "") -> Any:
        """The value that `data` describes.

        An unknown class, or tensors that do not fit, raise DeepMapperError. Data that `StateWriter`
        did not write raise KeyError, TypeError, ValueError or AttributeError.
        """
        if data is None or isinstance(data, bool | int | float | str):
            return data
        if isinstance(data, list):
            self._known[place] = self._read_list(data, place)
        elif data["kind"] in READERS:
            self._known[place] = READERS[data["kind"]](self, data, place)
        else:
            message = f"{place} is of a kind that is not known: {data['kind']!r}"
            raise DeepMapperError(message)
        return self._known[place]

    def _read_all(self, items: dict[str, Json], place: str) -> dict[str, Any]:
        return {key: self.read(value, f"{place}.{key}") for key, value in items.items()}

    def _read_list(self, items: list[Json], place: str) -> list[Any]:
        return [self.read(item, f"{place}.{i}") for i, item in enumerate(items)]

    def _read_estimator(self, data: dict[str, Json], place: str) -> Any:
        cls = class_of(data["class"])
        estimator = cls(**current_parameters(cls, self._read_all(data["parameters"], place)))
        self._set_attributes(estimator, data["learnt"], place, LEARNT.fullmatch)
        return estimator

    def _read_plain(self, data: dict[str, Json], place: str) -> Any:
        cls = class_of(data["class"])
        value = cls.__new__(cls)
        self._set_attributes(value, data["fields"], place, str.isidentifier)
        return value

    def _set_attributes(
        self, value: Any, items: dict[str, Json], place: str, is_name: Callable[[str], Any]
    ) -> None:
        for name, attribute in self._read_all(items, place).items():
            if not is_name(name) or hasattr(type(value), name):
                message = f"{type(value).__name__} learns nothing called {name!r}"
                raise DeepMapperError(message)
            setattr(value, name, attribute)

    def _read_words(self, data: dict[str, Json], place: str) -> np.ndarray:
        dtype = np.dtype(data["dtype"])
        if dtype.kind not in "UO" or not all(
            isinstance(word, str | int | float) for word in data["words"]
        ):
            message = f"{place} holds values other than texts and numbers"
            raise DeepMapperError(message)
        words = np.empty(len(data["words"]), dtype=dtype)
        words[:] = data["words"]
        codes = self._tensor(place).numpy()
        if len(codes) and (codes.min() < 0 or codes.max() >= len(words)):
            message = f"{place} has codes outside its {len(words)} words"
            raise DeepMapperError(message)
        return words[codes]

    def _read_frame(self, data: dict[str, Json], place: str) -> pd.DataFrame:
        frame = {}
        for name, column in data["columns"].items():
            values = self.read(column["values"], f"{place}.{name}")
            if column["dtype"] not in FRAME_DTYPES:
                message = f"column {name} of {place} has the unknown type {column['dtype']!r}"
                raise DeepMapperError(message)
            frame[name] = pd.Series(values, dtype=column["dtype"])
        return pd.DataFrame(frame)

    def _read_network(self, data: dict[str, Json], place: str) -> nn.Module:
        prefix = data["prefix"]
        weights = {
            name.removeprefix(prefix): tensor
            for name, tensor in self._tensors.items()
            if name.startswith(prefix)
        }
        with torch_stream(0, "load"):  # leaves the program's own generator as it is
            network = _build(data["network"], weights)
        try:
            network.load_state_dict(weights, strict=True)
        except RuntimeError as error:
            message = f"the weights do not fit the network: {error}"
            raise DeepMapperError(message) from error
        return network.eval().to(self.device)

    def _tensor(self, place: str) -> torch.Tensor:
        if place not in self._tensors:
            message = f"there is no tensor {place!r}"
            raise DeepMapperError(message)
        return self._tensors[place]


READERS: dict[str, Callable[[StateReader, dict[str, Json], str], Any]] = {
    "float": lambda reader, data, place: float(data["value"]),
    "device": lambda reader, data, place: reader.device,
    "same": lambda reader, data, place: reader._known[data["place"]],
    "dict": lambda reader, data, place: reader._read_all(data["items"], place),
    "pairs": lambda reader, data, place: dict(reader._read_list(data["items"], place)),
    "tuple": lambda reader, data, place: tuple(reader._read_list(data["items"], place)),
    "array": lambda reader, data, place: reader._tensor(place).numpy(),
    "tensor": lambda reader, data, place: reader._tensor(place).to(reader.device),
    "words": StateReader._read_words,
    "frame": StateReader._read_frame,
    "network": StateReader._read_network,
    "estimator": StateReader._read_estimator,
    "record": lambda reader, data, place: class_of(data["class"])(
        **reader._read_all(data["fields"], place)
    ),
    "plain": StateReader._read_plain,
}


def current_parameters(cls: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters saved by an older version, under the names of this one.

    New parameters get defaults. A parameter that no version had raises DeepMapperError.
    """
    parameters = {RENAMED.get(name, name): value for name, value in parameters.items()}
    parameters = {name: value for name, value in parameters.items() if name not in REMOVED}
    if "balanced" in parameters:
        parameters["class_weight"] = "balanced" if parameters.pop("balanced") else None
    names = set(cls._get_param_names())
    settings = {field.name for field in fields(TrainingSettings)} - names
    nested = {name: parameters.pop(name) for name in settings & set(parameters)}
    if nested and "training" in names:
        parameters["training"] = nested
    unknown = sorted({*parameters, *nested} - names - (settings if "training" in names else set()))
    if unknown:
        message = f"{cls.__name__} has no parameter {', '.join(unknown)} in this version"
        raise DeepMapperError(message)
    return parameters


def class_of(name: str) -> Any:
    """The class of that name, or DeepMapperError if it is not in `CLASSES`."""
    if name not in CLASSES:
        message = f"a model may not hold the class {name!r}; known: {', '.join(sorted(CLASSES))}"
        raise DeepMapperError(message)
    return getattr(importlib.import_module(CLASSES[name]), name)


def _build(data: dict[str, Any], weights: dict[str, torch.Tensor]) -> nn.Module:
    """A network from its description, with new weights.

    An unknown backbone, or a size out of range, raises DeepMapperError.
    """
    height, width = (_size(side) for side in data["image_shape"])
    name = data["backbone"]
    if name == AUTOENCODER:
        from deepmapper.networks._autoencoder import Autoencoder

        sizes = {key: _size(data[key]) for key in ("n_components", "patch", "width", "dense")}
        # Which pixels hold features decides more than the buffer of that name.
        pixels = weights["pixels"].bool()
        return Autoencoder((height, width), pixels=pixels, hidden=float(data["hidden"]), **sizes)
    if name not in BACKBONES:
        message = f"the model asks for the backbone {name!r}; known: {', '.join(BACKBONES)}"
        raise DeepMapperError(message)
    gate = _build_gate((1, height, width), weights) if data["gated"] else None
    return build_network(name, (1, height, width), _size(data["n_classes"]), gate=gate)


def _build_gate(shape: tuple[int, ...], weights: dict[str, torch.Tensor]) -> PixelGate:
    pixels = weights.get("gate.pixels")
    if pixels is None:
        return PixelGate(torch.zeros(shape))
    side = math.isqrt(len(pixels))
    if side**2 != len(pixels) or not 0 <= int(pixels.min()) <= int(pixels.max()) < math.prod(shape):
        message = f"the gate reads pixels that images of {shape[1]} x {shape[2]} do not have"
        raise DeepMapperError(message)
    return PixelGate(torch.zeros(1, side, side), pixels=pixels)


def _size(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST_SIDE:
        message = f"expected a size from 1 to {LARGEST_SIDE}, got {value!r}"
        raise DeepMapperError(message)
    return value
