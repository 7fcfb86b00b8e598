"""Two features of which only the product gives the class away, among noise.

XOR as of Passemiers et al., Sci Rep 2024; see `generators/needles.py`.
"""

from typing import Any

from bench.experiments.needles import measure_needles, summary_of_needles
from bench.experiments.runner import Case

TARGET = (
    "n = 1,000, p = 1,024: both features on top in 10 of 10, accuracy >= 0.95; hope: p = 18,225 at "
    "n = 5,000"
)
SIZES = ((1_000, 1_024), (5_000, 18_225))


def cases() -> list[Case]:
    return [
        Case(f"p_{p:05d}_seed_{seed}", {"n_samples": n, "n_features": p, "seed": seed})
        for n, p in SIZES
        for seed in range(10)
    ]


def measure(n_samples: int, n_features: int, seed: int) -> dict[str, Any]:
    sizes = {"n_samples": n_samples, "n_features": n_features}
    return measure_needles("needles", {"kind": "xor", "n_needles": 2, **sizes}, seed)


def summary(records: list[dict[str, Any]]) -> str:
    parts = []
    for n, p in SIZES:
        some = [r for r in records if r["parameters"]["n_features"] == p]
        if some:
            parts += [f"n = {n:,}, p = {p:,}", "", summary_of_needles(some), ""]
    return "\n".join(parts)
