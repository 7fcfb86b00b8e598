"""What "auto" means, and how much memory a device has."""

import os
import subprocess
import sys

import pytest
import torch

from deepmapper import DeepMapperError
from deepmapper.training.devices import free_bytes, resolve_device


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(DeepMapperError, match="unknown device 'warp'"):
        resolve_device("warp")


def test_free_memory_of_a_cpu_is_known() -> None:
    assert (free_bytes(torch.device("cpu")) or 1) > 0


def test_waiting_threads_leave_the_cores_to_others() -> None:
    words = "import os, deepmapper; print(os.environ['OMP_WAIT_POLICY'])"
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    for given, expected in ({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active"):
        done = subprocess.run(
            [sys.executable, "-c", words],
            env=environment | given,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected
