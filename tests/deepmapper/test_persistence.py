"""Saved models predict the same after loading. Damaged folders are refused."""

import hashlib
import json
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from deepmapper import DeepMapperClassifier, DeepMapperError
from deepmapper.estimators._embedder import DeepMapperEmbedder
from deepmapper.estimators._saving import (
    MODEL,
    TENSORS,
    _checksum,
    load_model,
    read_preparation,
    save_model,
)
from deepmapper.tables import Preparation

QUICK: dict[str, Any] = {
    "passes": 1,
    "training": {"max_epochs": 1, "min_accuracy": 0.0},
    "device": "cpu",
    "random_state": 0,
}


def _table(n: int = 40, p: int = 9) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(n, p)).astype(np.float32)
    return X, X[:, 3] > 0


@pytest.fixture(scope="module")
def fitted() -> DeepMapperClassifier:
    X, y = _table()
    frame = pd.DataFrame(X, columns=[f"gene{i}" for i in range(9)])
    return DeepMapperClassifier(**QUICK).fit(frame, np.where(y, "ill", "well"))


@pytest.fixture
def folder(fitted: DeepMapperClassifier, tmp_path: Path) -> Path:
    save_model(fitted, tmp_path / "model")
    return tmp_path / "model"


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    labels=st.sampled_from([["ill", "well"], [3, 11], [False, True], ["é", "a b"]]),
    layout=st.sampled_from(["natural", "random", "index"]),
    passes=st.integers(1, 2),
    scale=st.sampled_from(["standard", "minmax", "none"]),
    p=st.integers(1, 12),
)
def test_loading_gives_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory,
    labels: list[Any],
    layout: str,
    passes: int,
    scale: str,
    p: int,
) -> None:
    X, positive = _table(p=max(p, 4))
    X = X[:, :p]
    given_layout: Any = np.arange(p)[::-1].copy() if layout == "index" else layout
    parameters = QUICK | {"layout": given_layout, "passes": passes, "scale": scale}
    model = DeepMapperClassifier(**parameters).fit(X, np.array(labels)[positive.astype(int)])
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(model, folder)
    loaded = load_model(folder, DeepMapperClassifier)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    pd.testing.assert_frame_equal(loaded.attributions_, model.attributions_)
    assert loaded.history_ == model.history_
    assert str(loaded.get_params()) == str(model.get_params())


def test_an_embedder_comes_back(tmp_path: Path) -> None:
    X, _ = _table()
    model = DeepMapperEmbedder(n_components=2, max_epochs=1, device="cpu").fit(X)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model", DeepMapperEmbedder)
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert list(loaded.get_feature_names_out()) == list(model.get_feature_names_out())
    with pytest.raises(DeepMapperError, match="holds a DeepMapperEmbedder"):
        load_model(tmp_path / "model", DeepMapperClassifier)


LABELS: dict[str, Any] = {
    "float": lambda y: np.where(y, 1.0, 0.0),
    "float32": lambda y: np.where(y, 2.0, -1.0).astype(np.float32),
    "bool": lambda y: y,
    "int32": lambda y: np.where(y, 7, -7).astype(np.int32),
    "Int64": lambda y: pd.Series(np.where(y, 3, 1), dtype="Int64"),
    "boolean": lambda y: pd.Series(y, dtype="boolean"),
    "objects": lambda y: np.where(y, 3, 1).astype(object),
    "category": lambda y: pd.Categorical(np.where(y, 3, 1)),
    "string": lambda y: pd.Series(np.where(y, "ill", "well"), dtype="string"),
}


@pytest.mark.parametrize("labels", LABELS)
def test_labels_of_any_type_come_back(labels: str, tmp_path: Path) -> None:
    X, is_ill = _table()
    y = LABELS[labels](is_ill)
    weights = dict.fromkeys(np.unique(np.asarray(y)), 2.0)
    model = DeepMapperClassifier(**QUICK, class_weight=weights).fit(X, y)
    model.save(tmp_path / "model")
    loaded = DeepMapperClassifier.load(tmp_path / "model")
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.class_weight == weights
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    pd.testing.assert_frame_equal(loaded.attributions_, model.attributions_)
    assert set(loaded.predict(X)) <= set(np.asarray(y, dtype=object))


def test_features_rescaled_in_float64_come_back(tmp_path: Path) -> None:
    X, y = _table()
    times = X.astype(np.float64)
    times[:, 3] += 1.7e9
    model = DeepMapperClassifier(**QUICK).fit(times, y)
    model.save(tmp_path / "model")
    loaded = DeepMapperClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(times), model.predict_proba(times))
    assert loaded.rescaled_[0].tolist() == [3]


def test_names_of_features_and_the_preparation_are_kept(
    fitted: DeepMapperClassifier, tmp_path: Path, folder: Path
) -> None:
    assert load_model(folder).feature_names_in_.tolist() == fitted.feature_names_in_.tolist()
    with pytest.raises(DeepMapperError, match="without its table"):
        read_preparation(folder)
    preparation = Preparation(("a",), {}, (), ("y",), None, (), (), "error")
    save_model(fitted, folder, preparation=preparation)
    assert read_preparation(folder) == preparation


def test_loading_draws_no_random_number(folder: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_model(folder)
    torch.testing.assert_close(torch.rand(2), expected, rtol=0, atol=0)


def test_a_function_as_backbone_cannot_be_saved(tmp_path: Path) -> None:
    def build(shape: tuple[int, ...], n_classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(9, n_classes))

    X, y = _table()
    parameters: dict[str, Any] = QUICK | {"backbone": build}
    model = DeepMapperClassifier(**parameters).fit(X, y)
    with pytest.raises(DeepMapperError, match="backbone is a name"):
        save_model(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_an_attribute_that_cannot_be_saved_is_named(
    fitted: DeepMapperClassifier, tmp_path: Path
) -> None:
    with pytest.raises(DeepMapperError, match="got str"):
        save_model("model", tmp_path / "model")
    odd = DeepMapperClassifier(**QUICK)
    odd.__dict__.update(vars(fitted))
    odd.surprise_ = lambda: None
    with pytest.raises(DeepMapperError, match="surprise_ cannot be saved: it is a function"):
        save_model(odd, tmp_path / "model")


def test_another_model_is_replaced_and_other_files_stay(
    fitted: DeepMapperClassifier, folder: Path
) -> None:
    (folder / "notes.txt").write_text("mine")
    for name in ("predictions.csv", "embedding.csv", "ranked_features.csv"):
        (folder / name).write_text("of the old model")
    save_model(fitted, folder)
    assert (folder / "notes.txt").read_text() == "mine"
    assert not {"predictions.csv", "embedding.csv"} & {path.name for path in folder.iterdir()}
    load_model(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_while_saving_leaves_a_whole_model_and_all_other_files(
    fitted: DeepMapperClassifier, folder: Path
) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / "plots").mkdir()
    (folder / "plots" / "one.png").write_text("also mine")
    delays = np.random.default_rng(0).uniform(0, 0.06, 8)
    for delay in delays:
        child = os.fork()
        if child == 0:
            while True:
                save_model(fitted, folder)
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        load_model(folder)
        assert (folder / "notes.txt").read_text() == "mine"
        assert (folder / "plots" / "one.png").read_text() == "also mine"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges folders in one step")
@pytest.mark.parametrize("n_renames", range(3))
def test_a_kill_after_any_rename_leaves_a_whole_model(
    fitted: DeepMapperClassifier, folder: Path, n_renames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, calls = os.replace, []

    def kill_after(source: Path, target: Path) -> None:
        replace(source, target)
        calls.append(target)
        if len(calls) > n_renames:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", kill_after)
    with suppress(KeyboardInterrupt):
        save_model(fitted, folder)
    load_model(folder)


def test_the_model_of_a_linked_folder_is_replaced(
    fitted: DeepMapperClassifier, folder: Path
) -> None:
    link = folder.with_name("link")
    link.symlink_to(folder)
    save_model(fitted, link)
    assert link.is_symlink()
    load_model(folder)


def test_a_folder_of_other_things_is_left_alone(
    fitted: DeepMapperClassifier, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(DeepMapperError, match="exists and is not a saved model"):
        save_model(fitted, tmp_path)
    with pytest.raises(DeepMapperError, match="exists and is not a saved model"):
        save_model(fitted, tmp_path / "thesis.txt")


def _edit(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change model.json and update its checksum."""
    content = json.loads((folder / MODEL).read_text())
    content.pop("checksum")
    edit(content)
    content["checksum"] = _checksum(content)
    (folder / MODEL).write_text(json.dumps(content))


def _replace_tensors(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, folder / TENSORS)
    digest = hashlib.sha256((folder / TENSORS).read_bytes()).hexdigest()
    _edit(folder, lambda content: content.update(tensors_sha256=digest))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        (TENSORS, lambda content: content[:-7], "cut off, altered or damaged"),
        (TENSORS, lambda content: content[:-1] + bytes([content[-1] ^ 1]), "altered or damaged"),
        (MODEL, lambda content: content[:-20], "is damaged"),
        (MODEL, lambda content: content.replace(b'"ill"', b'"fit"'), "altered or damaged"),
        (MODEL, lambda _: b"[1]", "not a description"),
    ],
)
def test_a_damaged_file_is_refused(
    folder: Path, name: str, damage: Callable[[bytes], bytes], message: str
) -> None:
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(DeepMapperError, match=message):
        load_model(folder)


def test_a_folder_without_its_files_is_refused(folder: Path) -> None:
    with pytest.raises(DeepMapperError, match=r"not a saved model: it has no model\.json"):
        load_model(folder / "nowhere")
    (folder / TENSORS).unlink()
    with pytest.raises(DeepMapperError, match="not complete"):
        load_model(folder)


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was run",))


def test_a_pickle_in_place_of_tensors_is_not_run(folder: Path) -> None:
    bomb = pickle.dumps(_Bomb())
    (folder / TENSORS).write_bytes(bomb)
    _edit(folder, lambda content: content.update(tensors_sha256=hashlib.sha256(bomb).hexdigest()))
    with pytest.raises(DeepMapperError, match="not a safetensors file"):
        load_model(folder)


def _network(content: dict[str, Any]) -> dict[str, Any]:
    """The first description of a network in model.json."""
    networks: list[dict[str, Any]] = []

    def search(node: Any) -> None:
        if isinstance(node, dict) and node.get("kind") == "network":
            networks.append(node["network"])
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                search(child)

    search(content["estimator"])
    return networks[0]


EDITS: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda c: c.update(format=99), "reads format 1"),
    (lambda c: c.pop("estimator"), "lacks estimator"),
    (lambda c: c.update(kind="DeepMapperEmbedder"), "found a DeepMapperClassifier"),
    (lambda c: c["estimator"].update({"class": "os.system"}), "may not hold the class 'os.system'"),
    (lambda c: c["estimator"].update(kind="pickle"), "kind that is not known"),
    (lambda c: c["estimator"]["parameters"].update(hook="x"), "has no parameter hook"),
    (lambda c: c["estimator"]["learnt"].update(predict="x"), "learns nothing called 'predict'"),
    (lambda c: c["estimator"]["learnt"].update(__class__="x"), "learns nothing called"),
    (lambda c: c["estimator"]["learnt"].update(n_features_in_=5), "numbers of features"),
    (lambda c: c["estimator"]["learnt"].pop("converter_"), "AttributeError|not what deepmapper"),
    (lambda c: c["estimator"].update(learnt=[1]), "not what deepmapper writes"),
    (lambda c: _network(c).update(backbone="os:system"), "asks for the backbone 'os:system'"),
    (lambda c: _network(c).update(backbone="timm:hf-hub:x/y"), "asks for the backbone"),
    (lambda c: _network(c).update(image_shape=[9, 9]), "weights do not fit"),
    (lambda c: _network(c).update(image_shape=[10**9, 10**9]), "expected a size"),
    (lambda c: _network(c).update(n_classes=-1), "expected a size"),
]


@pytest.mark.parametrize(("edit", "message"), EDITS, ids=range(len(EDITS)))
def test_unsafe_or_inconsistent_descriptions_are_refused(
    folder: Path, edit: Callable[[dict[str, Any]], None], message: str
) -> None:
    _edit(folder, edit)
    with pytest.raises(DeepMapperError, match=message):
        load_model(folder)


def test_tensors_that_do_not_fit_are_refused(folder: Path) -> None:
    tensors = load_file(folder / TENSORS)
    name = next(name for name in tensors if name.startswith("network.0.") and tensors[name].dim())
    _replace_tensors(folder, tensors | {name: torch.zeros(3, 3)})
    with pytest.raises(DeepMapperError, match="weights do not fit the network"):
        load_model(folder)
    rest = {key: value for key, value in tensors.items() if not key.endswith("shift_")}
    _replace_tensors(folder, rest)
    with pytest.raises(DeepMapperError, match=r"no tensor .*shift_"):
        load_model(folder)


def test_a_model_of_a_missing_device_loads(folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("tests a machine without the GPU that the model names")

    def move(content: dict[str, Any]) -> None:
        content["estimator"]["parameters"]["device"] = "cuda"

    _edit(folder, move)
    assert load_model(folder).device == "auto"
    assert load_model(folder, device="cpu").device == "cpu"
