"""Permuted MNIST without pixel positions: the perceptron with dropout and max-norm weights.

Srivastava et al., JMLR 15 (2014), Table 2: 1.06% error with three layers of 1,024 rectified units
that know nothing of positions. An image method has to do better on shuffled pixels.
"""

import time
from typing import Any

from bench.catalog import entry, table_entry
from bench.experiments.runner import Case, measured, of_seeds, table

TARGET = "60,000 training images of permuted MNIST, 3 seeds: test error about 1% (published 1.06%)"
LONG = 120  # epochs of one run that comes nearer to the paper's million steps


def cases() -> list[Case]:
    as_it_is = [Case(f"seed_{seed}", {"seed": seed}) for seed in range(3)]
    return [*as_it_is, Case(f"epochs_{LONG}_seed_0", {"seed": 0, "epochs": LONG})]


def measure(seed: int, epochs: int | None = None) -> dict[str, Any]:
    """Test error of the method `mlp` with the recipe `maxnorm`; by default with its epochs."""
    images = table_entry("shuffled_mnist").load().load(seed=seed)
    training, test = images.official_split
    module = entry("methods", "mlp").load()
    params = module.Params(recipe="maxnorm", epochs=epochs)
    pipeline = module.build(params, device="cpu", seed=seed)
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
    for epochs in sorted({m["epochs"] for m in measured(records)}):
        some = [m for m in measured(records) if m["epochs"] == epochs]
        errors = of_seeds([m["error_percent"] for m in some], 2)
        seconds = of_seeds([m["fit_seconds"] for m in some], 0)
        rows.append([str(epochs), f"{epochs * 600:,}", str(len(some)), errors, seconds])
    return table(["epochs", "steps", "seeds", "test error, %", "seconds of training"], rows)
