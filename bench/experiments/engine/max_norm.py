"""Permuted MNIST without looking at places: the perceptron with dropout and max-norm weights.

Srivastava et al., JMLR 15 (2014), Table 2: 1.06% error with three layers of 1,024 rectified units,
without knowing where pixels are. What an image method earns on shuffled pixels comes on top.
"""

import time
from typing import Any

import numpy as np

from bench.catalog import entry, table_entry
from bench.experiments.engine.records import Case
from bench.experiments.engine.statistics import of_seeds, table

TARGET = "60,000 training images of permuted MNIST, 3 seeds: test error about 1% (published 1.06%)"


LONG = 120  # epochs of one run that comes nearer to the paper's million steps


def cases() -> list[Case]:
    as_it_is = [Case(f"seed_{seed}", {"seed": seed}) for seed in range(3)]
    return [*as_it_is, Case(f"epochs_{LONG}_seed_0", {"seed": 0, "epochs": LONG})]


def measure(
    seed: int,
    epochs: int | None = None,
    n_train: int = 60_000,
    device: str = "cpu",
    held_out: bool = False,
) -> dict[str, Any]:
    """Test error of the method `mlp` with the recipe `maxnorm`.

    Args:
        epochs: None for those of the recipe.
        n_train: so many training images, drawn by the seed.
        held_out: measure on 10,000 of the training images that are left, not on the test images.
    """
    images = table_entry("shuffled_mnist").load().load(seed=seed)
    assert images.official_split is not None
    everything, test = images.official_split
    order = np.random.default_rng(seed).permutation(everything)
    training = np.sort(order[:n_train])
    if held_out:
        test = order[n_train : n_train + 10_000]
    module = entry("methods", "mlp").load()
    params = module.Params(recipe="maxnorm", epochs=epochs)
    pipeline = module.build(params, device=device, seed=seed)
    start = time.perf_counter()
    pipeline.fit(images.X[training], images.y[training])
    seconds = time.perf_counter() - start
    wrong = pipeline.predict(images.X[test]) != images.y[test]
    model = pipeline.named_steps["model"]
    return {
        "error_percent": 100 * float(wrong.mean()),
        "n_train": len(training),
        "n_test": len(wrong),
        "fit_seconds": seconds,
        "epochs": len(model.history_),
        "n_parameters": model.n_parameters_,
    }


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for epochs in sorted({r["measured"]["epochs"] for r in records}):
        some = [r["measured"] for r in records if r["measured"]["epochs"] == epochs]
        errors = of_seeds([m["error_percent"] for m in some], 2)
        seconds = of_seeds([m["fit_seconds"] for m in some], 0)
        rows.append([str(epochs), f"{epochs * 600:,}", str(len(some)), errors, seconds])
    return table(["epochs", "steps", "seeds", "test error, %", "seconds of training"], rows)
