"""What "auto" means, and how many trainings a device has room for."""

import pytest
import torch

from deepmapper import DeepMapperError
from deepmapper.training.devices import free_bytes, passes_that_fit, resolve_device, room_for


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(DeepMapperError, match="unknown device 'warp'"):
        resolve_device("warp")


@pytest.mark.parametrize(
    ("free", "peak", "expected"),
    [(100, 30, 2), (100, 79, 1), (100, 300, 1), (100, 1, 4), (0, 5, 1)],
)
def test_room_is_four_fifths_of_what_is_free_and_never_none(
    free: int, peak: int, expected: int
) -> None:
    assert passes_that_fit(free, peak) == expected


def test_a_cpu_has_memory_but_no_room_for_a_second_training() -> None:
    cpu = torch.device("cpu")
    assert (free_bytes(cpu) or 1) > 0
    assert room_for(cpu, 1) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_has_room_for_small_trainings() -> None:
    assert room_for(torch.device("cuda"), 1 << 20) > 1
