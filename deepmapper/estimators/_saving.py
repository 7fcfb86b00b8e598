"""Saved models: a folder of safetensors and JSON. Loading runs no code from it.

    model.json          parameters, learnt values, the table's preparation
    model.safetensors   weights of the networks ("network.0...."), scaling, layout
    attributions.csv    for people and other programs (`load_model` does not read it)
    history.jsonl       likewise, one line per epoch

model.json has checksums of both files of the model. They detect damage. They do not prove the
origin of a folder.
"""

import ctypes
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as tensors_to_bytes
from sklearn.utils.validation import check_is_fitted

import deepmapper
from deepmapper.errors import DeepMapperError
from deepmapper.estimators._state import StateReader, StateWriter
from deepmapper.tables._preparation import Preparation
from deepmapper.training.devices import resolve_device

FORMAT = 1
MODEL, TENSORS = "model.json", "model.safetensors"
ATTRIBUTIONS, HISTORY = "attributions.csv", "history.jsonl"
# Files of a run. Those of an earlier model go with it; all other files in a folder stay.
RUN_FILES = {MODEL, TENSORS, ATTRIBUTIONS, HISTORY, "ranked_features", "ranked_features.csv"}
RUN_FILES |= {"embedding.csv", "predictions.csv", "report.html"}
KINDS = ("DeepMapperClassifier", "DeepMapperEmbedder")


def save_model(
    estimator: Any, folder: str | Path, *, preparation: Preparation | None = None
) -> None:
    """Write a fitted estimator into a folder, completely or not at all.

    The estimator is a `DeepMapperClassifier` or a `DeepMapperEmbedder`. The folder is created if
    missing. A model in it is replaced, other files stay. `preparation`, for `deepmapper predict`,
    tells how a table from a file becomes X.

    A DeepMapperError is raised for a backbone given as a function, a value that cannot be saved, a
    folder that cannot be written, and a folder that holds something other than a model.
    """
    with replace_folder(Path(folder)) as new:
        write_model(estimator, new, preparation=preparation)


def write_model(estimator: Any, folder: Path, *, preparation: Preparation | None = None) -> None:
    """Write the four files of a model into a folder. Errors as in `save_model`."""
    class_name = type(estimator).__name__
    if class_name not in KINDS:
        message = f"only {' and '.join(KINDS)} can be saved, got {class_name}"
        raise DeepMapperError(message)
    check_is_fitted(estimator)
    if callable(getattr(estimator, "backbone", None)):
        message = (
            f"a model can be saved if its backbone is a name in deepmapper.networks.backbones; "
            f"this one was built by {estimator.backbone!r}, and loading runs no code"
        )
        raise DeepMapperError(message)
    classifier = getattr(estimator, "classifier_", None)
    backbone = getattr(classifier, "backbone", "")
    image_shape = estimator.converter_.layout_.shape
    n_classes = len(getattr(estimator, "classes_", ()))
    writer = StateWriter(backbone, image_shape, n_classes)
    state = writer.write(estimator, "model")
    tensors = tensors_to_bytes(writer.tensors)
    content = {
        "format": FORMAT,
        "kind": class_name,
        "deepmapper": deepmapper.__version__,
        "torch": torch.__version__,
        "tensors_sha256": hashlib.sha256(tensors).hexdigest(),
        "preparation": None if preparation is None else asdict(preparation),
        "estimator": state,
    }
    content["checksum"] = _checksum(content)
    (folder / TENSORS).write_bytes(tensors)
    if hasattr(estimator, "attributions_"):
        estimator.attributions_.to_csv(folder / ATTRIBUTIONS, index=False)
    history = getattr(estimator, "history_", [])
    (folder / HISTORY).write_text("".join(json.dumps(row) + "\n" for row in history))
    (folder / MODEL).write_text(json.dumps(content, allow_nan=False) + "\n")


def load_model(folder: str | Path, expected: type | None = None, device: str | None = None) -> Any:
    """Read the estimator that `save_model` wrote.

    On the same device its predictions are the same bits. `expected` is the class that the model
    must have. `device` defaults to the one it was trained on, or "auto" if that is missing on this
    machine.

    A DeepMapperError is raised if the folder is not a model, or is damaged, altered, of another
    format or class, or asks for anything but the classes and networks of this package.
    """
    folder = Path(folder)
    content = _content(folder)
    if expected is not None and content["kind"] != expected.__name__:
        message = f"{folder} holds a {content['kind']}, not a {expected.__name__}"
        raise DeepMapperError(message)
    tensors = _tensors(folder, content["tensors_sha256"])
    try:
        reader = StateReader(tensors, _set_device(content["estimator"], device))
        estimator = reader.read(content["estimator"], "model")
        if type(estimator).__name__ != content["kind"]:
            message = f"expected a {content['kind']}, found a {type(estimator).__name__}"
            raise DeepMapperError(message)
        _check(estimator)
        return estimator
    except DeepMapperError as error:
        message = f"cannot load the model in {folder}: {error}"
        raise DeepMapperError(message) from error
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        message = (
            f"cannot load the model in {folder}: {MODEL} is not what deepmapper writes ({error!r})"
        )
        raise DeepMapperError(message) from error


def read_preparation(folder: str | Path) -> Preparation:
    """Read how the table of a saved model became its features.

    A folder that is no model, or one saved without a table, raises a DeepMapperError.
    """
    data = _content(Path(folder))["preparation"]
    if data is None:
        message = (
            f"the model in {folder} was saved from Python without its table's columns: use "
            f"load_model({str(folder)!r}).predict(X)"
        )
        raise DeepMapperError(message)
    return Preparation.from_dict(data)


def check_target(folder: Path) -> None:
    """Raise DeepMapperError if the folder cannot be written or holds other things than a model."""
    is_empty = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_empty and not (folder / MODEL).is_file():
        message = f"{folder} exists and is not a saved model; choose another folder"
        raise DeepMapperError(message)
    trial = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        trial.mkdir(parents=True)
        trial.rmdir()
    except OSError as error:
        message = f"cannot write to {folder}: {error.strerror}"
        raise DeepMapperError(message) from error


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """A new folder to fill. It replaces `folder` at the end, if there was no error.

    Files of the old folder that are not of a run are kept. A folder that cannot be written, or
    that holds something other than a saved model, raises a DeepMapperError.
    """
    check_target(folder)
    folder = folder.resolve()
    new = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        new.mkdir(parents=True)
        yield new
        _swap(new, folder)
    except OSError as error:
        message = f"cannot write to {folder}: {error.strerror}"
        raise DeepMapperError(message) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _swap(new: Path, folder: Path) -> None:
    """Put `new` at the place of `folder`. A kill at any moment leaves one of them there, whole."""
    if not folder.exists():
        os.replace(new, folder)
        return
    for entry in folder.iterdir():
        if entry.name in RUN_FILES or (new / entry.name).exists():
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True)
        else:
            shutil.copy2(entry, new / entry.name, follow_symlinks=False)
    _exchange(new, folder)


def _exchange(first: Path, second: Path) -> None:
    """Exchange two folders: in one step on Linux, elsewhere in three renames."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    paths = (here, os.fsencode(first), here, os.fsencode(second))
    if libc is not None and hasattr(libc, "renameat2") and not libc.renameat2(*paths, exchange):
        return
    spare = first.with_name(f"{first.name}.old")
    os.replace(second, spare)
    os.replace(first, second)
    os.replace(spare, first)


def _content(folder: Path) -> dict[str, Any]:
    """Read model.json, and verify its format and checksum."""
    if not (folder / MODEL).exists():
        message = f"{folder} is not a saved model: it has no {MODEL}"
        raise DeepMapperError(message)
    try:
        content = json.loads(_read(folder / MODEL))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"{folder / MODEL} is damaged: {error}"
        raise DeepMapperError(message) from error
    if not isinstance(content, dict) or "format" not in content:
        message = f"{folder / MODEL} is not a description of a model"
        raise DeepMapperError(message)
    if content["format"] != FORMAT:
        message = (
            f"{folder} has format {content['format']!r} (deepmapper "
            f"{content.get('deepmapper', '?')}); this version reads format {FORMAT}: load it with "
            f"that version, or train anew"
        )
        raise DeepMapperError(message)
    checksum = content.pop("checksum", None)
    if checksum != _checksum(content):
        message = f"{folder / MODEL} was altered or damaged after it was saved: checksums differ"
        raise DeepMapperError(message)
    absent = {"kind", "tensors_sha256", "preparation", "estimator"} - set(content)
    if absent:
        message = f"{folder / MODEL} lacks {', '.join(sorted(absent))}"
        raise DeepMapperError(message)
    return content


def _tensors(folder: Path, sha256: object) -> dict[str, torch.Tensor]:
    path = folder / TENSORS
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        message = f"{path} was cut off, altered or damaged after it was saved: checksums differ"
        raise DeepMapperError(message)
    try:
        return load_tensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        message = f"{path} is not a safetensors file: {error}"
        raise DeepMapperError(message) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}; the model is not complete"
        raise DeepMapperError(message) from error


def _checksum(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _set_device(state: dict[str, Any], name: str | None) -> torch.device:
    """Choose the device to load to, and set it in the parameters of all parts."""
    if name is None:
        name = state["parameters"]["device"]
        try:
            resolve_device(name)
        except DeepMapperError:
            name = "auto"
    device = resolve_device(name)
    state["parameters"]["device"] = name
    for part in state["learnt"].values():
        if isinstance(part, dict) and "device" in part.get("parameters", {}):
            part["parameters"]["device"] = str(device)
    return device


def _check(estimator: Any) -> None:
    """Raise DeepMapperError if the parts of a model do not fit together."""
    converter = estimator.converter_
    n_features = estimator.n_features_in_
    scaler, layout = converter.scaler_, converter.layout_
    sizes = {layout.n_features, converter.n_features_in_, scaler.n_features_in_}
    sizes |= {len(scaler.shift_), len(scaler.factor_)}
    if sizes != {n_features}:
        message = f"its parts have different numbers of features: {sorted(sizes | {n_features})}"
        raise DeepMapperError(message)
