"""The three full-size problems on a GPU, and whether it computes what the CPU computes.

python -m bench.experiments run gpu --out results/engine        (needs a CUDA device)
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split

from bench.catalog import table_entry
from bench.experiments import shuffled
from bench.experiments.needles import measure_needles, summary_of_needles
from bench.experiments.runner import Case, of_seeds
from bench.experiments.to_target import ours
from deepmapper import DeepMapperClassifier
from deepmapper.images.converter import ImageConverter
from deepmapper.training.devices import resolve_device, synchronise

TARGET = (
    "nihs, shuffled MNIST and expression at full size; on an H100 expression to 97.5% in under "
    "10 s of training, conversion under 10 ms"
)
GOAL = 0.975
EPOCHS = 10
ROUNDS = 15


def cases() -> list[Case]:
    return [
        Case(f"{what}_seed_{seed}", {"what": what, "seed": seed})
        for seed in range(3)
        for what in MEASURES
    ]


def measure(what: str, seed: int, device: str = "cuda", **sizes: Any) -> dict[str, Any]:
    """One of `MEASURES`; sizes go to the generator of the table, for a rehearsal."""
    name = torch.cuda.get_device_name() if resolve_device(device).type == "cuda" else device
    return {"device": name, **MEASURES[what](seed, device, sizes)}


def _same_as_cpu(seed: int, device: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """The same model fitted on both: what two orders of summation leave of the difference."""
    wanted = {"kind": "shift", "n_samples": 1000, "n_features": 1000} | sizes
    table = table_entry("needles").load().load(seed=seed, **wanted)
    one, other = (
        DeepMapperClassifier(
            device=where, passes=1, training={"precision": "float32"}, random_state=seed
        ).fit(table.X, table.y)
        for where in ("cpu", device)
    )
    difference = np.abs(one.predict_proba(table.X) - other.predict_proba(table.X))
    top = [set(m.attributions_.feature[: len(table.relevant)]) for m in (one, other)]
    return {
        "largest_difference_of_probabilities": float(difference.max()),
        "same_predictions": float((one.predict(table.X) == other.predict(table.X)).mean()),
        "same_top_features": top[0] == top[1],
    }


def _nihs(seed: int, device: str, sizes: dict[str, Any]) -> dict[str, Any]:
    return measure_needles("nihs", {"needles": "random"} | sizes, seed, device)


def _shuffled(seed: int, device: str, sizes: dict[str, Any]) -> dict[str, Any]:
    return shuffled.measure("learned", seed, device)


def _expression(seed: int, device: str, sizes: dict[str, Any]) -> dict[str, Any]:
    """Training to the goal; conversion from the host's memory, and of rows on the device."""
    table = table_entry("expression").load().load(seed=seed, **sizes)
    split = train_test_split(table.X, table.y, test_size=0.25, stratify=table.y, random_state=seed)
    ours(*split, device=device, goal=GOAL, epochs=1)  # the first training loads kernels
    result = ours(*split, device=device, goal=GOAL, epochs=EPOCHS)
    return result | _conversion(table.X, device)


def _conversion(X: np.ndarray, device: str) -> dict[str, Any]:
    """Milliseconds to images of a fitted converter, each of `ROUNDS`."""
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


def _milliseconds(work: Callable[[], Any], where: torch.device) -> list[float]:
    times = []
    for _ in range(ROUNDS + 1):  # the first is a warm-up
        synchronise(where)
        start = time.perf_counter()
        work()
        synchronise(where)
        times.append(1e3 * (time.perf_counter() - start))
    return times[1:]


MEASURES: dict[str, Callable[[int, str, dict[str, Any]], dict[str, Any]]] = {
    "same_as_cpu": _same_as_cpu,
    "nihs": _nihs,
    "shuffled": _shuffled,
    "expression": _expression,
}


def summary(records: list[dict[str, Any]]) -> str:
    lines = []
    for what in MEASURES:
        some = [r for r in records if r["parameters"]["what"] == what]
        measured = [r["measured"] for r in some]
        if not measured:
            continue
        lines += ["", f"{what}, {measured[0]['device']}", ""]
        if what == "nihs":
            lines.append(summary_of_needles(some))
        elif what == "shuffled":
            lines.append(f"- test error, % {of_seeds([m['error_percent'] for m in measured], 3)}")
        elif what == "same_as_cpu":
            largest = max(m["largest_difference_of_probabilities"] for m in measured)
            n_same = sum(m["same_top_features"] for m in measured)
            lines.append(f"- probabilities differ by {largest:.1e} at most")
            lines.append(f"- the same features on top in {n_same} of {len(measured)}")
        else:
            lines += [_line_of_expression(m) for m in measured]
    return "\n".join(lines)


def _line_of_expression(measured: dict[str, Any]) -> str:
    host, device = (
        np.median(measured[f"conversion_ms_{where}"]) for where in ("from_host", "on_device")
    )
    return (
        f"- {measured['training_seconds']:.2f} s of training to {measured['accuracy']:.4f}; "
        f"conversion {host:.1f} ms from the host, {device:.1f} ms on the device"
    )
