"""One training on several devices: real `torchrun` processes that talk by gloo, against one."""

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import distributed, nn
from typer.testing import CliRunner

from deepmapper import DeepMapperClassifier, DeepMapperError, ranks
from deepmapper._app import cli
from deepmapper.networks.backbones._dropout import Dropout
from deepmapper.ranks import Launch, Ranks, all_ranks
from deepmapper.shards import ShardedTable, write_shards
from deepmapper.spread import OwnRows, _batch_norm, _dropout, spread

ROOT = Path(__file__).resolve().parents[2]
JOB = Path(__file__).with_name("parallel_job.py")
SPEC = importlib.util.spec_from_file_location("parallel_job", JOB)
assert SPEC is not None
assert SPEC.loader is not None
job = sys.modules["parallel_job"] = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(job)

LONGEST = 300  # seconds for a job: a hang ends, a busy machine does not
QUICKLY = 60  # seconds from an error to the end; gloo alone would wait for half an hour
TWO = ("patch_gate", "resnet18")
THREE = ("patch_gate_adamw", "cnn_small", "early_stop")
N_OF = dict.fromkeys(TWO, 2) | dict.fromkeys(THREE, 3)
# How far weights, history and outputs may be apart. The largest seen: SGD 2e-6 (a running mean),
# double 4e-13.
ROUNDING = {"resnet18": 1e-9}
# AdamW divides the gradient of this bias, which is all rounding, by its own size; the normalisation
# after it takes the bias out again, but for the lag of its running mean.
FREE = ("weights.backbone.dense.bias", "weights.backbone.norm.running_mean")


def _torchrun(n: int, folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [*command, f"--nproc-per-node={n}", str(JOB), str(folder), *names],
        capture_output=True,
        text=True,
        timeout=LONGEST,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        check=False,
    )


def _table(n: int = 150) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(n, 30)).astype(np.float32)
    return X, np.where(X[:, 17] > 0, "high", "low")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """All that two ranks are asked for, in one job: it costs two imports of torch."""
    folder = tmp_path_factory.mktemp("two")
    X, y = _table()
    write_shards([X], folder / "table", labels=y, label="level", shard_rows=40)
    done = _torchrun(2, folder, *TWO, "differ", "fit", "fail")
    (folder / "ended").write_text(str(time.time()))
    return folder, done


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    done = _torchrun(3, folder, *THREE)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", [*TWO, *(pytest.param(n, marks=pytest.mark.slow) for n in THREE)])
def test_several_ranks_train_what_one_device_trains(
    name: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue("three") if N_OF[name] == 3 else _of(request, "two")
    alone = job.result(name)
    everyone = [dict(np.load(folder / f"{name}-{rank}.npz")) for rank in range(N_OF[name])]
    for key, value in alone.items():
        for other in everyone[1:]:
            assert_array_equal(other[key], everyone[0][key], err_msg=key)
        loose = 0.2 if key in FREE else 0.1 if key in ("logits", "history") else 1e-4
        bound = loose if name in ("patch_gate_adamw", "early_stop") else ROUNDING.get(name, 1e-5)
        assert_allclose(everyone[0][key], value, atol=bound, rtol=bound, err_msg=key)


@pytest.mark.slow
def test_all_ranks_lose_patience_at_once(three: Path) -> None:
    epochs = [len(np.load(three / f"early_stop-{rank}.npz")["history"]) for rank in range(3)]
    assert len(set(epochs)) == 1
    assert epochs[0] < job.IMPATIENT.epochs


def test_the_command_line_trains_one_model_and_one_rank_speaks(
    two: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = two
    assert done.stdout.count("report:") == 1
    assert done.stdout.count("150 rows and 30 columns") == 2  # also of the fit that fails
    alone = folder / "alone"
    result = CliRunner().invoke(
        cli.app, ["fit", str(folder / "table"), "--out", str(alone), *job.FIT]
    )
    assert result.exit_code == 0, result.output
    X = ShardedTable(folder / "table")[:]
    found, expected = (DeepMapperClassifier.load(f) for f in (folder / "run", alone))
    assert type(found.classifier_).__name__ == "NetworkClassifier"
    assert_allclose(found.predict_proba(X), expected.predict_proba(X), atol=0.02)
    assert_array_equal(found.predict(X), expected.predict(X))
    best = [pd.read_csv(f / "attributions.csv").feature[0] for f in (folder / "run", alone)]
    assert best == ["x17", "x17"]
    lines = [(f / "history.jsonl").read_text().count("\n") for f in (folder / "run", alone)]
    assert lines[0] == lines[1]


def test_ranks_with_different_labels_are_told_so(
    two: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = two
    for rank in range(2):
        message = (folder / f"differ-{rank}.txt").read_text()
        assert "rank 1 differs from rank 0 in the labels: expected [0, 0, 0, 1" in message


def test_an_error_of_one_rank_ends_all_with_one_message(
    two: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = two
    assert done.returncode != 0
    failed, ended = (float((folder / name).read_text()) for name in ("failed_at", "ended"))
    assert ended - failed < QUICKLY
    said = [line for line in done.stderr.splitlines() if "error:" in line.lower()]
    ours = [line for line in said if "ChildFailedError" not in line]
    assert ours == ["rank 1: error: the disk of this rank is gone"], done.stderr
    assert not (folder / "never").exists()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Ranks]:
    """A process group of this process, which needs no network."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    yield Ranks(0, 1, torch.device("cpu"))
    distributed.destroy_process_group()


def _batch(ranks: Ranks, n_rows: int) -> OwnRows:
    batch = OwnRows(torch.zeros(n_rows, 1), ranks)
    batch.n_rows = n_rows
    return batch


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("affine", [True, False])
def test_normalisation_of_a_batch_is_that_of_torch(
    alone: Ranks, momentum: float | None, affine: bool
) -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.BatchNorm2d(3, momentum=momentum, affine=affine).double() for _ in "ab")
    for step in range(3):
        x = (5 + torch.randn(6, 3, 2, 2, dtype=torch.float64) * step).requires_grad_()
        y = x.detach().clone().requires_grad_()
        out, expected = _batch_norm(ours, _batch(alone, 6), x), theirs(y)
        direction = torch.randn_like(out)
        out.backward(direction)
        expected.backward(direction)
        assert_allclose(out.detach(), expected.detach(), atol=1e-9)
        assert_allclose(x.grad, y.grad, atol=1e-9)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert_allclose(a, b, atol=1e-12, err_msg=name)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_allclose(a.grad, b.grad, atol=1e-9)


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 5])
def test_ranks_have_the_masks_of_one_device(n_ranks: int) -> None:
    x = torch.ones(4, 3, 5)

    def dropout() -> Dropout:
        module = Dropout(0.4)
        module.generator = torch.Generator().manual_seed(3)
        return module

    whole = dropout()(x)
    for rank in range(n_ranks):
        batch = _batch(Ranks(rank, n_ranks, torch.device("cpu")), 4)
        own = x[rank::n_ranks] if batch.n_own() else x[:1]
        expected = whole[rank::n_ranks] if batch.n_own() else whole[:1]
        assert_array_equal(_dropout(dropout(), batch, own), expected)
        windows = own.reshape(-1, 5)  # three a image
        assert_array_equal(_dropout(dropout(), batch, windows), expected.reshape(-1, 5))


def test_a_network_is_an_ordinary_one_again(alone: Ranks) -> None:
    network = job.CASES["patch_gate"].build()
    names = list(network.state_dict())
    images = torch.randn(5, 1, job.SIDE, job.SIDE)
    with spread(network, images, alone) as own:
        assert type(network).__name__ == "GatedNetwork"
        assert network(own[torch.tensor([4, 1, 3])]).shape == (3, 3)
        assert list(network.state_dict()) == names
    assert not any("forward" in vars(module) for module in network.modules())
    distributed.destroy_process_group()
    network(images).sum().backward()  # would wait for other ranks, were the hooks still there
    assert network.gate.weight.grad is not None
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)


def test_a_normalisation_that_does_more_is_refused(alone: Ranks) -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.SyncBatchNorm(2))
    with pytest.raises(DeepMapperError, match="'1' is a SyncBatchNorm, known are BatchNorm1d"):
        spread(network, torch.zeros(2, 2), alone).__enter__()


def test_without_torchrun_there_is_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ranks.NAMES:
        monkeypatch.delenv(name, raising=False)
    assert Launch.of_environment() == Launch()
    _launched(monkeypatch, n_ranks=1)
    assert not Launch.of_environment().is_shared
    assert Launch().is_first_to_fail()
    with all_ranks(torch.device("cpu")) as found:
        assert found == Ranks(0, 1, torch.device("cpu"))
        assert found.of_first(7) == 7
    assert not distributed.is_initialized()


def test_ranks_of_a_machine_share_its_memory(alone: Ranks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepmapper.estimators._classifier.free_bytes", lambda device: 1000)
    X = np.zeros((10, 10), dtype=np.float32)  # 400 bytes of images, at most 500 may be used
    one, two = (replace(alone, n_ranks=2, n_local=n) for n in (1, 2))
    assert not DeepMapperClassifier()._streams(X, one)
    assert DeepMapperClassifier()._streams(X, two)
    assert DeepMapperClassifier(stream=False)._streams(X, two) is False
    assert DeepMapperClassifier()._streams(X, alone) == "auto"


def test_more_ranks_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _launched(monkeypatch, n_ranks=4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(DeepMapperError, match="4 processes on a machine with 2 CUDA devices"):
        all_ranks(torch.device("cuda")).__enter__()
    with pytest.raises(DeepMapperError, match="not on 'mps'"):
        all_ranks(torch.device("mps")).__enter__()


@pytest.mark.parametrize(
    "arguments", [["predict", "run", "t.csv"], ["embed", "t.csv", "--out", "o"]]
)
def test_only_fit_shares_its_work(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    _launched(monkeypatch, n_ranks=2)
    result = CliRunner().invoke(cli.app, arguments)
    assert isinstance(result.exception, DeepMapperError)
    assert re.search(f"`deepmapper {arguments[0]}` runs on one device", str(result.exception))


def _launched(monkeypatch: pytest.MonkeyPatch, n_ranks: int) -> None:
    for name, value in zip(ranks.NAMES, (0, n_ranks, 0, n_ranks), strict=True):
        monkeypatch.setenv(name, str(value))


def _of(request: pytest.FixtureRequest, name: str) -> Path:
    return request.getfixturevalue(name)[0]
