"""False features among those that the evidence names (q <= 0.1).

`known_truth` counts them on tables whose markers are known. `permuted` gives the rows of real
tables labels in a random order, so that each named feature is false.
"""

from typing import Any

import numpy as np
import torch

from bench.experiments.runner import (
    cases_of_expression,
    experiment,
    grid,
    load_choice,
    load_table,
)
from bench.run.worker import impute
from datasets.table import Table
from deepmapper.estimators.evidence import Evidence, find_evidence
from deepmapper.images.converter import ImageConverter

NAMED = 0.1  # q-value
SIZES = ((100, 20_000, 2), (364, 20_000, 6), (1_200, 5_000, 12))  # samples, features, classes
REAL = (
    *("colorectal MSI", "cptac_ovarian", "cell_cycle", "nakayama", "gravier", "prostate_shift"),
    *("rna_mixtures", "risk_ileum"),
)


@experiment(
    "share of false features at most 0.12 on average",
    cases_of_expression(SIZES),
)
def known_truth(seed: int, **sizes: int) -> dict[str, Any]:
    table = load_table("expression", seed=seed, **sizes)
    named = np.flatnonzero(_evidence(table, table.y, seed).q_value_of_any <= NAMED)
    false = np.setdiff1d(named, table.relevant)
    return {
        "named": len(named),
        "false_share": len(false) / max(1, len(named)),
        "found_share": (len(named) - len(false)) / len(table.relevant),
    }


@experiment(
    "at most 1 of 20 tables names anything",
    grid("{table}_seed_{seed}", table=REAL, seed=range(5)),
)
def permuted(table: str, seed: int) -> dict[str, Any]:
    loaded = load_choice("wide", table)
    labels = np.random.default_rng(seed).permutation(loaded.y)
    evidence = _evidence(loaded, labels, seed)
    n_named = int((evidence.q_value_of_any <= NAMED).sum())
    return {"named": n_named, "names_anything": bool(n_named), "smallest_p": evidence.global_p}


def _evidence(table: Table, labels: np.ndarray, seed: int) -> Evidence:
    X = impute(table.X, table.X)[0] if table.n_missing else table.X
    converter = ImageConverter("natural", device="cpu", random_state=seed)
    images = torch.as_tensor(converter.fit_transform(X))
    evidence = find_evidence(images, torch.from_numpy(labels), table.n_classes, seed=seed)
    return evidence.of_features(converter.layout_.pixel_of_feature)
