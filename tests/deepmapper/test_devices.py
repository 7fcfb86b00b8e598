"""What "auto" means, and how much memory a device has."""

import pytest
import torch

from deepmapper import DeepMapperError
from deepmapper.training.devices import free_bytes, resolve_device


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(DeepMapperError, match="unknown device 'warp'"):
        resolve_device("warp")


def test_free_memory_of_a_cpu_is_known() -> None:
    assert (free_bytes(torch.device("cpu")) or 1) > 0
