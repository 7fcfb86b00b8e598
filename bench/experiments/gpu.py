"""Three problems at full size on a CUDA device, and a comparison with the CPU."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from bench.experiments.mnist import shuffled
from bench.experiments.needles import measure_needles
from bench.experiments.runner import experiment, grid, load_table, split_table
from bench.experiments.speed import train_ours
from deepmapper import DeepMapperClassifier
from deepmapper.images.converter import ImageConverter
from deepmapper.training.devices import resolve_device, synchronise

GOAL = 0.975
EPOCHS = 10
ROUNDS = 15


def _same_as_cpu(seed: int, device: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """Compare a model that is fitted on the CPU and on the device."""
    parameters = {"kind": "shift", "n_samples": 1000, "n_features": 1000} | sizes
    table = load_table("needles", seed=seed, **parameters)
    on_cpu, on_device = (
        DeepMapperClassifier(
            device=where, passes=1, training={"precision": "float32"}, random_state=seed
        ).fit(table.X, table.y)
        for where in ("cpu", device)
    )
    difference = np.abs(on_cpu.predict_proba(table.X) - on_device.predict_proba(table.X))
    top = [set(m.attributions_.feature[: len(table.relevant)]) for m in (on_cpu, on_device)]
    return {
        "largest_difference_of_probabilities": float(difference.max()),
        "same_predictions": float((on_cpu.predict(table.X) == on_device.predict(table.X)).mean()),
        "same_top_features": top[0] == top[1],
    }


def _nihs(seed: int, device: str, sizes: dict[str, Any]) -> dict[str, Any]:
    return measure_needles("nihs", {"needles": "random"} | sizes, seed, device)


def _shuffled(seed: int, device: str, sizes: dict[str, Any]) -> dict[str, Any]:
    return shuffled.measure("learned", seed, device)


def _expression(seed: int, device: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """Time training to the goal, and conversion of rows in host and in device memory."""
    table = load_table("expression", seed=seed, **sizes)
    split = split_table(table, seed)
    train_ours(*split, device=device, goal=GOAL, epochs=1)  # the first training loads kernels
    result = train_ours(*split, device=device, goal=GOAL, epochs=EPOCHS)
    return result | _conversion(table.X, device)


def _conversion(X: np.ndarray, device: str) -> dict[str, Any]:
    """Milliseconds of a fitted converter, for each of `ROUNDS` conversions."""
    where = torch.device(device)
    converter = ImageConverter(device=device).fit(X)
    rows = torch.from_numpy(X).to(where)
    scaled = torch.empty_like(rows)

    def on_the_device() -> torch.Tensor:
        converter.scaler_.scale_into(scaled, rows)
        return converter.layout_.fold(scaled)

    return {
        "conversion_ms_from_host": _milliseconds(lambda: converter.transform(X), where),
        "conversion_ms_on_device": _milliseconds(on_the_device, where),
    }


def _milliseconds(call: Callable[[], Any], where: torch.device) -> list[float]:
    times = []
    for _ in range(ROUNDS + 1):  # the first round is a warm-up
        synchronise(where)
        start = time.perf_counter()
        call()
        synchronise(where)
        times.append(1e3 * (time.perf_counter() - start))
    return times[1:]


MEASURES: dict[str, Callable[[int, str, dict[str, Any]], dict[str, Any]]] = {
    "same_as_cpu": _same_as_cpu,
    "nihs": _nihs,
    "shuffled": _shuffled,
    "expression": _expression,
}


@experiment(
    "nihs, shuffled MNIST and expression at full size; on an H100 expression to 97.5% in under "
    "10 s of training, conversion under 10 ms",
    grid("{what}_seed_{seed}", seed=range(3), what=MEASURES),
)
def gpu(what: str, seed: int, device: str = "cuda", **sizes: Any) -> dict[str, Any]:
    """Run one of `MEASURES`. Smaller `sizes` of the table allow a test run."""
    name = torch.cuda.get_device_name() if resolve_device(device).type == "cuda" else device
    return {"device": name, **MEASURES[what](seed, device, sizes)}
