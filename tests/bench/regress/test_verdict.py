"""What a check means: one word and one exit code for every mixture of findings."""

import json
from typing import Any

import pytest

from bench.regress.ratios import Estimate
from bench.regress.summary import markdown
from bench.regress.verdict import Figure, Row, Verdict

STILL = Estimate(1.0, 0.99, 1.01, 8, 1.06)
SLOWER = Estimate(1.2, 1.17, 1.22, 8, 1.06)
FASTER = Estimate(0.8, 0.78, 0.83, 8, 1.06)
VAGUE = Estimate(1.03, 0.8, 1.3, 25, 1.4)
DRIFTS = Estimate(1.04, 1.03, 1.05, 8, 1.06)


def row(
    first: Estimate = STILL, again: Estimate | None = None, same: bool = True, name: str = "fold"
) -> Row:
    return Row(name, (0.01, 0.01), first, again, same)


def verdict(*rows: Row, **changes: Any) -> Verdict:
    given: dict[str, Any] = {
        "commits": ("a" * 40, "b" * 40),
        "threshold": 1.05,
        "rows": list(rows),
        "control": STILL,
        "figures": [],
        "n_expected": len(rows),
        "seconds": 60.0,
    }
    return Verdict(**{**given, **changes})


@pytest.mark.parametrize(
    ("found", "word", "code"),
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
        (verdict(row(), figures=[Figure("fold", "operators", 8, 9)]), "regression", 1),
        (
            verdict(row(), figures=[Figure("fold", "operators", 8, 9)], control=DRIFTS),
            "regression",
            1,
        ),  # no clock is in it
        (verdict(row(), figures=[Figure("fold", "operators", 9, 8)]), "no regression", 0),
        (verdict(row(), figures=[Figure("fold", "operators", 900, 901)]), "no regression", 0),
        (verdict(row(), figures=[Figure("fold", "peak_numpy", 1, 1.02, 0.03)]), "no regression", 0),
        (verdict(row(), figures=[Figure("fold", "peak_numpy", 1, 2, 0.03)]), "regression", 1),
        (
            verdict(row(), figures=[Figure("fold", "passes", 1, 2)], accepted=("fold.passes",)),
            "no regression",
            0,
        ),
        (
            verdict(row(), figures=[Figure("fold", "passes", 1, 2)], accepted=("unfold",)),
            "regression",
            1,
        ),
    ],
)
def test_every_mixture_has_its_word_and_code(found: Verdict, word: str, code: int) -> None:
    assert (found.word, found.exit_code) == (word, code)
    text = markdown(found)
    assert text.lower().startswith(f"# **{word}")
    assert json.loads(json.dumps(found.to_dict()))["exit_code"] == code


def test_the_summary_says_what_could_have_been_found() -> None:
    text = markdown(verdict(row(), row(VAGUE, name="unfold")))
    assert "2 of 2 benchmarks ran" in text
    assert "40.0% in the worst row, 23.0% in the median" in text


def test_the_noise_floor_stands_where_both_sides_are_the_same() -> None:
    commits = ("a" * 40, "a" * 40)
    text = markdown(verdict(row(), row(DRIFTS, name="unfold"), commits=commits))
    assert "2.0% in the median row, 4.0% in the worst" in text
    assert "noise floor" not in markdown(verdict(row()))


def test_rises_and_changed_outputs_name_the_way_to_accept_them() -> None:
    found = verdict(row(same=False), figures=[Figure("fold", "passes", 1, 2)])
    text = markdown(found)
    assert "`--accept fold.output`" in text
    assert "`fold` takes more: passes 1 -> 2" in text
