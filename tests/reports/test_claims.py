"""Verdicts on the paper's claims, from made-up cells."""

import math
import tomllib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.spec import load_spec
from reports.aggregate import columns
from reports.paper import labels
from reports.paper.claims import CLAIMS, Claim, claims, seconds_ratio, verdict
from reports.paper.cost import slope
from reports.paper.evidence import ON_A_GPU, Evidence
from reports.paper.table2 import table2
from reports.results import Results

N_ROWS = 1000
FULL = load_spec("paper")[0]
LISTED = [Claim(**entry) for entry in tomllib.loads(CLAIMS.read_text())["claim"]]
NOT_THE_PAPERS = {labels.BEST, labels.DEEPINSIGHT, labels.DEEPINSIGHT_EQUAL}
PUBLISHED = labels.DEEPINSIGHT_PUBLISHED


class Arrays(dict[str, dict[str, np.ndarray]]):
    def arrays(self, key: str) -> dict[str, np.ndarray]:
        return self.get(key, {})

    def array(self, key: str, name: str) -> np.ndarray | None:
        return self.arrays(key).get(name)


def cell(dataset: str, method: str, share: float | None = None, seed: int = 0, **other: Any) -> Any:
    """A cell that is right for the first `share` of the rows, or without predictions."""
    return dataset, method, share, seed, other


def evidence_of(*cells: Any) -> Evidence:
    rows, records, arrays = [], {}, Arrays()
    for dataset, method, share, seed, other in cells:
        key = f"{dataset} {method} {seed}"
        row: dict[str, Any] = dict.fromkeys(columns())
        row |= {"dataset_label": dataset, "method_label": method, "seed": seed, "key": key}
        row |= {"status": "ok", "split": "official", "machine": "A", "n_test": N_ROWS}
        rows.append(row | {"accuracy": share, "n_train": N_ROWS} | other)
        facts = {"name": dataset, "label": dataset, "checksum": dataset, "relevant": [3, 5]}
        facts |= {"n_samples": 2 * N_ROWS, "n_features": 9, "n_classes": 2}
        records[key] = {"dataset": facts, "method": {"label": method}, "device": "cpu"}
        if share is not None:
            right = np.arange(N_ROWS) < round(share * N_ROWS)
            arrays[key] = {
                "test_rows": np.arange(N_ROWS),
                "y_test": np.zeros(N_ROWS, dtype=int),
                "probabilities": np.stack([right, ~right], axis=1).astype(float),
                "attributions": np.eye(9)[[3, 5]] if share >= 0.8 else np.eye(9)[[0, 1]],
            }
    frame = pd.DataFrame(rows).astype(columns())
    return Evidence(Results(arrays, records, frame, frame), FULL, FULL)  # type: ignore[arg-type]


def judged(evidence: Evidence, name: str) -> dict[str, str]:
    view = claims(evidence).view
    assert view is not None
    return next(row for row in view.data.to_dict("records") if row["claim"] == name)


@pytest.mark.parametrize("claim", LISTED, ids=lambda claim: claim.name)
def test_a_claim_is_judged_by_cells_of_the_paper_and_not_by_our_engine(claim: Claim) -> None:
    assert not {*claim.judges, *claim.against} & NOT_THE_PAPERS
    cells = {
        (d.label, m.label) for grid in FULL.grids() for d in grid.datasets for m in grid.methods
    }
    for version in (claim, replace(claim, **claim.ours)):
        assert {
            (d, m) for d in version.tables for m in (*version.judges, *version.against)
        } <= cells
    assert set(labels.ON_TRUE_GRID.values()) <= {method for _, method in cells}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "undecided"], "holds in part"),
        (["does not hold", "not measured"], "does not hold"),
        (["not measured", "undecided"], "undecided"),
        ([], "not measured"),
    ],
)
def test_the_verdict_is_that_of_all_measurements(words: list[str], expected: str) -> None:
    assert verdict(words) == expected


TABLES = ("MNIST, shuffled", "NIHS of Table 1", "NIHS, random places", "TCGA", "expression")
NEEDLES = (labels.NIHS, labels.NIHS_RANDOM)


@pytest.mark.parametrize(
    ("name", "tables", "shares", "expected"),
    [
        # Our engine is always right and does not count.
        ("2-D before 1-D", (*TABLES, labels.MUTATIONS), {"corrected": 0.9, "cnn1d": 0.8}, "holds"),
        ("2-D before 1-D", TABLES, {"corrected": 0.9, "cnn1d": 0.8}, "holds in part"),
        ("2-D before 1-D", TABLES, {"corrected": 0.7, "cnn1d": 0.8}, "does not hold"),
        ("2-D before 1-D", TABLES, {"corrected": 0.801, "cnn1d": 0.8}, "undecided"),
        ("2-D before 1-D", TABLES, {"cnn1d": 0.8}, "not measured"),
        ("traditional", NEEDLES, {"stump": 1.0, "logistic": 0.6}, "does not hold"),
        ("traditional", NEEDLES, {"stump": 0.99, "logistic": 0.6}, "undecided"),
        ("traditional", NEEDLES, dict.fromkeys(labels.PLAIN, 0.6), "holds"),
        ("DeepInsight on needles", NEEDLES, {labels.DEEPINSIGHT: 1.0}, "not measured"),
        ("DeepInsight on needles", NEEDLES, {PUBLISHED: 0.5}, "holds"),
        ("DeepInsight on needles", NEEDLES, {PUBLISHED: 0.95}, "does not hold"),
        ("DeepInsight on needles", NEEDLES[:1], {PUBLISHED: 0.5}, "undecided"),
        ("replacements", NEEDLES, {"vit": 0.9, "retnet": 0.9, "corrected": 0.9}, "holds in part"),
        ("replacements", NEEDLES, {"vit": 0.5, "retnet": 0.5, "corrected": 0.6}, "not measured"),
        ("speed and accuracy", TABLES, {"corrected": 0.9, PUBLISHED: 0.9}, "holds in part"),
        ("sequences", TABLES, {"corrected": 0.7, "lstm": 0.9}, "does not hold"),
    ],
)
def test_intervals_decide(
    name: str, tables: tuple[str, ...], shares: dict[str, float], expected: str
) -> None:
    shares = {labels.BEST: 1.0} | shares
    evidence = evidence_of(*(cell(d, m, share) for d in tables for m, share in shares.items()))
    assert judged(evidence, name)["verdict"] == expected


def test_a_claim_without_predictions_is_not_measured() -> None:
    """One seed, and accuracies alone: there is no interval of their difference."""
    pairs = ((labels.CORRECTED, 0.9), (labels.CNN1D, 0.5))
    evidence = evidence_of(*(cell("TCGA", method, accuracy=value) for method, value in pairs))
    row = judged(evidence, "2-D before 1-D")
    assert row["verdict"] == "not measured"
    assert judged(evidence, "replacements")["ours"] == "–"
    assert "TCGA: accuracy 0.900 − 0.500 = +0.400 (no interval)" in row["numbers"]


@pytest.mark.parametrize(
    ("deeper", "expected"), [(0.89, "does not hold"), (0.861, "holds"), (0.875, "undecided")]
)
def test_a_network_is_compared_with_itself_on_the_true_grid(deeper: float, expected: str) -> None:
    """ResNet-18 loses 0.08 by the shuffling."""
    cells = [cell(labels.MNIST, m, 0.94) for m in (labels.CORRECTED, labels.DEEPER)]
    cells += [
        cell(labels.SHUFFLED, labels.CORRECTED, 0.86),
        cell(labels.SHUFFLED, "resnet34", deeper),
    ]
    cells += [cell(labels.MNIST, labels.BEST, 0.5), cell(labels.SHUFFLED, labels.BEST, 0.93)]
    row = judged(evidence_of(*cells), "not improvable")
    assert row["verdict"] == expected
    # `best` on MNIST has a learned layout.
    assert row["ours"] == "best against corrected: not measured: MNIST and MNIST, shuffled"
    row = judged(evidence_of(*cells, cell(labels.MNIST, "best, true grid", 0.95)), "not improvable")
    assert "best, true grid 0.9500 and 0.9300" in row["ours"]
    assert "smaller by +0.060 [" in row["ours"]


@pytest.mark.parametrize(("n", "expected"), [(1, "undecided"), (4, "holds")])
def test_needles_are_named_in_more_than_half_of_the_passes(n: int, expected: str) -> None:
    passes = [cell(labels.NIHS, labels.CORRECTED, 0.9, seed) for seed in range(n)]
    assert judged(evidence_of(*passes), "pinpoint")["verdict"] == expected
    missed = [cell(labels.NIHS, labels.CORRECTED, 0.7, seed) for seed in range(n)]
    row = judged(evidence_of(*missed), "pinpoint")
    assert row["verdict"] == {"holds": "does not hold"}.get(expected, expected)
    assert f"in 0 of {n} passes" in row["numbers"]


def test_seconds_are_compared_seed_by_seed() -> None:
    own, others = (2.0, 3.0, 5.0), (4.0, 9.0, 11.0)
    cells = [cell("TCGA", "corrected", 0.9, s, train_seconds=own[s]) for s in range(3)]
    cells += [cell("TCGA", "lstm", 0.9, s, train_seconds=others[s]) for s in range(3)]

    def ratio_of(*changed: Any) -> Any:
        evidence = evidence_of(*changed)
        groups = [evidence.group("TCGA", method) for method in ("corrected", "lstm")]
        assert groups[0] is not None
        assert groups[1] is not None
        return seconds_ratio(evidence, groups[0], groups[1], "train_seconds")

    ratio = ratio_of(*cells)
    logs = np.log(np.divide(others, own))
    expected = stats.ttest_1samp(logs, 0).confidence_interval()
    assert ratio.mean == pytest.approx(stats.gmean(np.divide(others, own)))
    assert ratio.ends == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert ratio_of(cells[0], cells[3]).low is None  # one seed
    *labels_of, shown = cells[0]
    on_another = [(*labels_of, shown | {"machine": "B"})]
    assert ratio_of(*on_another, cells[3]) is None


def test_growth_has_the_interval_of_a_regression() -> None:
    rng = np.random.default_rng(0)
    sizes = [n for n in labels.GROWTH.values() for _ in range(3)]
    seconds = [n**0.8 / 100 * math.exp(0.1 * rng.normal()) for n in sizes]
    names = [name for name in labels.GROWTH for _ in range(3)]
    cells = [
        cell(name, "mlp", 0.9, i, train_seconds=value)
        for i, (name, value) in enumerate(zip(names, seconds, strict=True))
    ]
    power = slope(evidence_of(*cells), "mlp")
    assert power is not None
    (expected, _), variance = np.polyfit(np.log(sizes), np.log(seconds), 1, cov=True)
    half = stats.t.ppf(0.975, len(sizes) - 2) * math.sqrt(variance[0, 0])
    assert (power.mean, power.half) == pytest.approx((expected, half))
    row = judged(evidence_of(*cells), "cost of the MLP")
    assert row["verdict"] == "does not hold"
    single = slope(evidence_of(cells[0], cells[-1]), "mlp")
    assert single is not None
    assert single.low is None
    assert slope(evidence_of(cells[0]), "mlp") is None


def test_a_timeout_and_a_missing_cell_are_not_measured() -> None:
    view = table2(
        evidence_of(
            cell("TCGA", "corrected", None, status="timeout", reason="stopped after 21,600 s"),
            cell("TCGA", "igtd", None, status="unsupported", reason="too many features"),
        )
    ).view
    assert view is not None
    blocks = {block.dataset: block for block in view.blocks}
    rows = {row[0].text: row[1] for row in blocks["TCGA"].rows}
    assert (rows["corrected"].text, rows["lstm"].text) == ("not measured", "not measured")
    assert rows["igtd"].text == "unsupported"
    for row in (rows["corrected"], rows["lstm"]):
        assert ON_A_GPU in [view.footnotes[note - 1] for note in row.notes]
    assert [row[0].text for row in blocks[labels.MUTATIONS].rows] == ["every method"]
