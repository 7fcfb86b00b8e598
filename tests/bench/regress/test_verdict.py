"""The statistics of a row, and the word and exit code of a verdict."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.regress.command import format_markdown
from bench.regress.verdict import THRESHOLD, Estimate, Figure, Row, Verdict, estimate

STILL = Estimate(1.0, 0.99, 1.01, 8, 1.06)
SLOWER = Estimate(1.2, 1.17, 1.22, 8, 1.06)
FASTER = Estimate(0.8, 0.78, 0.83, 8, 1.06)
VAGUE = Estimate(1.03, 0.8, 1.3, 25, 1.4)
DRIFTS = Estimate(1.04, 1.03, 1.05, 8, 1.06)
OPERATORS, PASSES = Figure("fold", "operators", 8, 9), Figure("fold", "passes", 1, 2)


def row(
    first: Estimate = STILL, again: Estimate | None = None, same: bool = True, name: str = "fold"
) -> Row:
    return Row(name, (0.01, 0.01), first, again, same)


def verdict(*rows: Row, **changes: Any) -> Verdict:
    usual: dict[str, Any] = {
        "commits": ("a" * 40, "b" * 40),
        "rows": list(rows),
        "control": STILL,
        "figures": [],
        "n_expected": len(rows),
        "seconds": 60.0,
    }
    return Verdict(**{**usual, **changes})


@pytest.mark.parametrize(
    ("checked", "word", "code"),
    [
        (verdict(row()), "no regression", 0),
        (verdict(row(FASTER)), "no regression", 0),
        (verdict(row(SLOWER, SLOWER)), "regression", 1),
        (verdict(row(), row(SLOWER, SLOWER, name="unfold")), "regression", 1),
        (verdict(row(SLOWER, STILL)), "no regression", 0),  # not seen again
        (verdict(row(VAGUE)), "inconclusive", 3),
        (verdict(row(SLOWER, VAGUE)), "inconclusive", 3),
        (verdict(row(), control=DRIFTS), "inconclusive", 3),
        (verdict(row(), control=VAGUE), "inconclusive", 3),
        (verdict(row(SLOWER, SLOWER), control=DRIFTS), "inconclusive", 3),
        (verdict(row(same=False)), "inconclusive", 3),
        (verdict(row(same=False), accepted=("fold.output",)), "no regression", 0),
        (verdict(row(), figures=[OPERATORS]), "regression", 1),
        (verdict(row(), figures=[OPERATORS], control=DRIFTS), "regression", 1),  # not a time
        (verdict(row(), figures=[Figure("fold", "operators", 9, 8)]), "no regression", 0),
        (verdict(row(), figures=[Figure("fold", "operators", 900, 901)]), "no regression", 0),
        (verdict(row(), figures=[Figure("fold", "peak_numpy", 1, 1.02, 0.03)]), "no regression", 0),
        (verdict(row(), figures=[Figure("fold", "peak_numpy", 1, 2, 0.03)]), "regression", 1),
        (verdict(row(), figures=[PASSES], accepted=("fold.passes",)), "no regression", 0),
        (verdict(row(), figures=[PASSES], accepted=("unfold",)), "regression", 1),
    ],
)
def test_a_verdict_has_the_right_word_and_code(checked: Verdict, word: str, code: int) -> None:
    assert (checked.word, checked.exit_code) == (word, code)
    text = format_markdown(checked)
    assert text.lower().startswith(f"# **{word}")
    assert json.loads(json.dumps(checked.to_dict()))["exit_code"] == code


def test_the_summary_names_changes_and_what_is_detectable() -> None:
    rows = row(same=False), row(VAGUE, name="unfold")
    text = format_markdown(verdict(*rows, figures=[PASSES]))
    assert "2 of 2 benchmarks ran" in text
    assert "40.0% in the worst row." in text
    assert "noise floor" not in text
    assert "`--accept fold.output`" in text
    assert "`fold` takes more: passes 1 -> 2" in text


def test_the_noise_floor_is_shown_if_both_sides_are_the_same() -> None:
    commits = ("a" * 40, "a" * 40)
    text = format_markdown(verdict(row(), row(DRIFTS, name="unfold"), commits=commits))
    assert "2.0% in the median row, 4.0% in the worst" in text


busy = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a loaded machine


def draw_ratios(true: float, spread: float, n: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    return list(true * np.exp(rng.normal(0, spread, n)))


@busy
@given(st.lists(st.floats(0.5, 2.0), min_size=7, max_size=25))
def test_the_estimate_is_the_median_inside_its_interval(ratios: list[float]) -> None:
    measured = estimate(ratios)
    assert min(ratios) <= measured.low * (1 + 1e-9)
    assert measured.low <= measured.ratio * (1 + 1e-9)
    assert measured.ratio <= measured.high * (1 + 1e-9)
    assert measured.high <= max(ratios) * (1 + 1e-9)
    assert measured.detectable >= THRESHOLD - 1e-9
    if len(ratios) % 2:  # for an even number, the logs are averaged
        np.testing.assert_allclose(measured.ratio, np.median(ratios))


@busy
@given(st.lists(st.floats(0.5, 2.0), min_size=7, max_size=15))
def test_swapping_the_sides_inverts_the_estimate(ratios: list[float]) -> None:
    direct, inverse = (estimate(r) for r in (ratios, [1 / r for r in ratios]))
    np.testing.assert_allclose(direct.ratio, 1 / inverse.ratio)


@pytest.mark.parametrize(("true", "flagged"), [(1.0, 0), (1.02, 0), (1.10, 200), (1.20, 200)])
def test_slowdowns_are_flagged_and_noise_is_not(true: float, flagged: int) -> None:
    estimates = [estimate(draw_ratios(true, 0.03, 9, seed)) for seed in range(200)]
    assert abs(sum(e.is_slower for e in estimates) - flagged) <= 10
    assert not any(e.is_faster for e in estimates)


def test_a_detectable_slowdown_is_detected() -> None:
    """A slowdown of the detectable size is found about nine times in ten."""
    runs = [draw_ratios(1.0, 0.04, 12, seed) for seed in range(300)]
    detectable = float(np.median([estimate(r).detectable for r in runs]))
    slowed = [estimate([detectable * x for x in r]) for r in runs]
    seen = np.array([e.is_slower for e in slowed])
    assert 0.85 <= (seen[::2] & seen[1::2]).mean() <= 0.97  # both rounds have to see it
    weaker = [estimate([(1 + (detectable - 1) / 2) * x for x in r]) for r in runs]
    assert np.mean([e.is_slower for e in weaker]) < seen.mean() - 0.2


def test_what_varies_too_much_is_vague() -> None:
    assert estimate(draw_ratios(1.0, 0.3, 7, seed=1)).is_vague
    assert not estimate(draw_ratios(1.0, 0.01, 7, seed=1)).is_vague
