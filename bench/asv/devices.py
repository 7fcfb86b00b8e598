"""Devices: skipped with the reason where they are not there."""

from collections.abc import Callable


def there(device: str) -> Callable[[], None]:
    """What waits until the device has done all that it was given.

    Raises:
        NotImplementedError: the device is not there; asv skips the benchmark and shows why.
    """
    import torch

    if device == "cpu":
        return lambda: None
    if not torch.cuda.is_available():
        message = "no CUDA device on this machine"
        raise NotImplementedError(message)
    return torch.cuda.synchronize
