"""Which device `auto` means, and how much room it has."""

from pathlib import Path

import torch

from deepmapper.errors import DeepMapperError


def resolve_device(name: str) -> torch.device:
    """The torch device of "auto", "cpu", "cuda", "cuda:1", "mps"; "auto" is the fastest there.

    Raises:
        DeepMapperError: the device is not known or not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        message = f"unknown device {name!r}; use auto, cpu, cuda or mps"
        raise DeepMapperError(message) from error
    absent = (device.type == "cuda" and not torch.cuda.is_available()) or (
        device.type == "mps" and not torch.backends.mps.is_available()
    )
    if absent:
        message = f"device {name!r} is not there on this machine; use device='auto' or 'cpu'"
        raise DeepMapperError(message)
    return device


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AMX or AVX-512 BF16)."""
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(check() for name in names if (check := getattr(torch.cpu, name, None)))


def free_bytes(device: torch.device) -> int | None:
    """Bytes of memory to be had on the device; None where it is not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    available = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return None if available is None else 1024 * int(available.split()[1])
