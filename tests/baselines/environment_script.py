"""The script of test_environment.py and test_transport.py, run by `baselines._environment.call`."""

import importlib.util
import os
import time
import warnings
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]


def scale(X: np.ndarray, *, factor: float) -> Arrays:
    print("a message of a library", flush=True)  # noqa: T201
    return {"scaled": X * np.float32(factor), "shape": np.array(X.shape)}


def describe_process() -> Arrays:
    return {
        "threads": np.array(os.environ["OMP_NUM_THREADS"]),
        "group": np.array(os.getpgrp()),
        "imports_this_project": np.array(importlib.util.find_spec("baselines") is not None),
    }


def divide(by: np.ndarray) -> Arrays:
    return {"result": np.array(1 / int(by))}


def warn() -> Arrays:
    warnings.warn("not converged", stacklevel=1)
    return {}


def sleep(*, pid_file: str) -> Arrays:
    Path(pid_file).write_text(str(os.getpid()))
    time.sleep(600)
    return {}


def tabmap_images(X: np.ndarray) -> Arrays:
    from tabmap.tabmap_construction import TabMapGenerator

    return {"images": TabMapGenerator().fit_transform(X.astype(np.float64))}


def genomap_images(X: np.ndarray, *, side: int, n_iterations: int) -> Arrays:
    from genomap.genomap import construct_genomap

    images = construct_genomap(X.astype(np.float64), side, side, 0.0, n_iterations)
    return {"images": images[..., 0]}
