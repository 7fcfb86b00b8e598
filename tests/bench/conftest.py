"""A plug-in of methods and a table that misbehave, for the tests of the harness."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.store.store import Record, Store

ROOT = Path(__file__).resolve().parents[2]
Bench = Callable[..., subprocess.CompletedProcess[str]]

VILLAIN = '''
"""A method that misbehaves as its parameter says."""

import os, signal, sys, time, warnings
from dataclasses import dataclass

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from deepmapper.errors import DivergedError


@dataclass(frozen=True)
class Params:
    how: str = "raise"
    seconds: float = 0.0


def spin():
    while True:
        pass


def eat():
    hoard = []
    while True:
        hoard.append(np.ones(4_000_000))
        time.sleep(0.01)


class Villain(DummyClassifier):
    def __init__(self, how="raise", seconds=0.0):
        super().__init__()
        self.how, self.seconds = how, seconds

    def fit(self, X, y):
        super().fit(X, y)
        time.sleep(self.seconds)
        if self.how == "raise":
            raise RuntimeError("no good")
        if self.how == "hang":
            time.sleep(3600)
        if self.how == "spin":
            spin()
        if self.how == "spin_in_child":
            if os.fork() == 0:
                spin()
            os.wait()
        if self.how == "leave_child":
            if (pid := os.fork()) == 0:
                spin()
            warnings.warn(f"child {pid}")
        if self.how == "eat":
            eat()
        if self.how == "memory_error":
            raise MemoryError("asked for too much")
        if self.how == "diverge":
            raise DivergedError("the loss became nan")
        if self.how == "exit":
            os._exit(3)
        if self.how == "suicide":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "chatter":
            print("to stdout"); sys.stderr.write("to stderr\\\\n"); warnings.warn("careful")
        if self.how == "strange_labels":
            self.classes_ = np.array([0, 1, 99, *range(3, 10)])
        return self

    def predict_proba(self, X):
        p = super().predict_proba(X)
        if self.how == "nan":
            p[3] = np.nan
        if self.how == "global_generator":
            p = np.random.dirichlet(np.ones(10), len(p))
        if self.how == "no_probabilities":
            p *= 2
        if self.how == "short":
            p = p[:-1]
        return p

    def attribute(self, Z, y):
        if self.how == "attribute_raises":
            raise RuntimeError("cannot explain")
        if self.how == "attribute_hangs":
            time.sleep(3600)
        if self.how == "attribute_spins":
            spin()
        if self.how == "attribute_eats":
            eat()
        if self.how == "attribute_exits":
            os._exit(3)
        return np.zeros((10, 3 if self.how == "attribute_shape" else Z.shape[1]))


class FewLabels(DummyClassifier):
    """Predicts no probabilities, and one label for all rows."""

    @property
    def predict_proba(self):
        raise AttributeError

    def predict(self, X):
        return super().predict(X)[:1]


class ChangesLabels(DummyClassifier):
    def fit(self, X, y):
        y[:] = 0
        return super().fit(X, np.arange(len(y)) % 10)


class TwoNames(DummyClassifier):
    """Has a class twice."""

    def fit(self, X, y):
        super().fit(X, y)
        self.classes_ = np.array([0, 0, *range(2, 10)])
        return self


def build(params, *, device, seed):
    villain = Villain(params.how, params.seconds)
    others = {"few_labels": FewLabels, "changes_labels": ChangesLabels, "twice": TwoNames}
    if params.how in others:
        villain = others[params.how]()
    return Pipeline([("convert", FunctionTransformer()), ("model", villain)])
'''

SMALL_ONLY = '''
"""A method that refuses tables of more than 50 features."""

from villain import Params, build


def supports(table):
    return f"takes at most 50 features, got {table.n_features}" if table.n_features > 50 else None
'''

TALLY = '''
"""A method that counts in a file how often it is run, and takes its time."""

import os, time
from dataclasses import dataclass

from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer


@dataclass(frozen=True)
class Params:
    file: str
    seconds: float = 0.0


class Tally(DummyClassifier):
    def fit(self, X, y):
        super().fit(X, y)
        time.sleep(self.params.seconds)
        handle = os.open(self.params.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        os.write(handle, f"{self.seed} {gpu}\\n".encode())
        os.close(handle)
        return self


def build(params, *, device, seed):
    tally = Tally()
    tally.params, tally.seed = params, seed
    return Pipeline([("convert", FunctionTransformer()), ("model", tally)])
'''

BROKEN_TABLE = '''
"""A table that cannot be made as its parameter says."""

import os
import signal
from pathlib import Path

import numpy as np

from datasets.table import DataUnavailable, Source, Table


def load(*, how: str = "unavailable", path: str = "", seed: int = 0) -> Table:
    if how == "unavailable" or (how == "file" and not Path(path).is_file()):
        raise DataUnavailable("file x is missing; put it there")
    if how == "killed_once" and not Path(path).is_file():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    X = np.random.default_rng(seed).normal(size=(40, 5)).astype(np.float32)
    if how == "csv":  # with one number, a file of the user
        X += np.float32(Path(path).read_text())
    if how == "infinite":
        X[2, 3] = np.inf
    names = [f"f{i}" for i in range(5)]
    return Table("t", X, np.arange(40) % 2, "ab", names, Source("none", "generated", "none"))
'''


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that adds test methods and a generator when it is on the Python path."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "villain.py").write_text(VILLAIN.replace("\\\\n", "\\n"))
    (folder / "tally.py").write_text(TALLY)
    (folder / "small_only.py").write_text(SMALL_ONLY)
    (folder / "broken_table.py").write_text(BROKEN_TABLE)
    meta = folder / "villain-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: villain\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text(
        "[deepmapper.baselines]\nvillain = villain\nsmall_only = small_only\ntally = tally\n"
        "[deepmapper.generators]\nbroken_table = broken_table\n"
    )
    return folder


@pytest.fixture(scope="session")
def bench(plugin: Path) -> Bench:
    """Run `python -m bench WORDS...` with the plug-in, and check the exit code."""

    def run(
        *words: object, code: int = 0, data: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        variables = {} if data is None else {"DEEPMAPPER_DATA": str(data)}
        environment = bench_environment(plugin) | variables
        completed = run_python("-m", "bench", *words, environment=environment)
        assert completed.returncode == code, completed.stderr
        return completed

    return run


def run_python(
    *words: object, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run this Python in the root of the repository."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def bench_environment(plugin: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(plugin), "DEEPMAPPER_OFFLINE": "1"}


def records_by_label(folder: Path) -> dict[str, Record]:
    """The records of a grid of one table and one seed, by the method's label."""
    return {record["method"]["label"]: record for record in Store(folder).records()}
