"""What the paper claims, each with a verdict and the numbers behind it."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports import units
from reports.paper.cost import GROWING, slope
from reports.paper.evidence import Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import (
    BEST,
    CNN1D,
    CORRECTED,
    DEEPER,
    DEEPINSIGHT,
    DEEPINSIGHT_EQUAL,
    DEEPINSIGHT_PUBLISHED,
    EXPRESSION,
    GROWTH,
    MLP,
    MNIST,
    NIHS,
    NIHS_RANDOM,
    PLAIN,
    RETNET,
    SHUFFLED,
    TCGA,
    VIT,
)
from reports.paper.needles import BAR, passes
from reports.paper.table2 import value_of
from reports.results import Group
from reports.views import PROSE, Block, Cell, Column, Footnotes, View

TITLE = "The paper's claims, put to the test"
CAPTION = (
    "Each claim in the paper's words, the rule by which it is judged, what was measured, and the "
    "verdict that the rule gives. Rules were written before the cells were run; those of pinpoint "
    "accuracy and of replacements were tightened afterwards. A verdict is about these tables at "
    "these sizes, no more; footnotes say which are smaller than the paper's."
)
CLAIMS = Path(__file__).with_suffix(".toml")
HOLDS, PARTLY, FAILS, OPEN = "holds", "holds in part", "does not hold", "not measured"


# Ours beside DeepInsight: the same CNN and budget twice, then each with the recipe it came with.
PAIRS = ((BEST, DEEPINSIGHT), (BEST, DEEPINSIGHT_EQUAL), (CORRECTED, DEEPINSIGHT_PUBLISHED))


@dataclass(frozen=True)
class Verdict:
    """A word of `HOLDS`, `PARTLY`, `FAILS`, `OPEN`; the numbers; the groups behind them."""

    word: str
    numbers: str
    groups: tuple[Group | None, ...] = ()


def claims(evidence: Evidence) -> Exhibit:
    """A line a claim."""
    rows, data, groups, footnotes = [], [], [], Footnotes()
    for claim in tomllib.loads(CLAIMS.read_text())["claim"]:
        verdict = JUDGES[claim["judge"]](evidence)
        keys = keys_of(*verdict.groups)
        smaller = evidence.shrunk(keys)
        notes = (footnotes.number(smaller),) if smaller else ()
        groups += list(verdict.groups)
        rows.append(
            [
                Cell(f"“{claim['words']}” ({claim['where']})"),
                Cell(claim["rule"]),
                Cell(verdict.numbers, notes=notes, keys=keys),
                Cell(verdict.word, keys=keys),
            ]
        )
        data.append(
            {
                "claim": claim["name"],
                "words": claim["words"],
                "rule": claim["rule"],
                "numbers": verdict.numbers,
                "smaller": smaller,
                "verdict": verdict.word,
                "cells": " ".join(keys),
            }
        )
    columns = [Column(name, mark=PROSE) for name in ("Claim", "Rule", "Measured", "Verdict")]
    blocks = [Block(TITLE, columns, rows)]
    view = View("claims", TITLE, CAPTION, blocks, footnotes.texts, pd.DataFrame(data))
    return Exhibit("claims", TITLE, CAPTION, keys_of(*groups), view=view)


def _accuracy(group: Group | None) -> float | None:
    return group.accuracy.mean if group is not None and group.accuracy is not None else None


def _known(evidence: Evidence, dataset: str, methods: tuple[str, ...]) -> dict[str, Group]:
    """Method -> its group, where it has an accuracy."""
    found = {method: evidence.group(dataset, method) for method in methods}
    return {m: g for m, g in found.items() if g is not None and g.accuracy is not None}


def _listed(groups: dict[str, Group], digits: int = 3) -> str:
    """Accuracies, best first: "stump 1.000, univariate 1.000"."""
    found = {m: g.accuracy.mean for m, g in groups.items() if g.accuracy is not None}
    order = sorted(found, key=lambda m: (-found[m], m))
    return ", ".join(f"{m} {units.share(found[m], digits)}" for m in order)


def _traditional(evidence: Evidence) -> Verdict:
    numbers, groups, best = [], [], 0.0
    for dataset in (NIHS, NIHS_RANDOM):
        plain = _known(evidence, dataset, PLAIN)
        if plain:
            numbers.append(f"{dataset}: {_listed(plain)}")
            groups += list(plain.values())
            best = max(best, *(g.accuracy.mean for g in plain.values() if g.accuracy))
    if not numbers:
        return Verdict(OPEN, "no plain method ran")
    return Verdict(FAILS if best >= 0.99 else HOLDS, "; ".join(numbers), tuple(groups))


def _not_improvable(evidence: Evidence) -> Verdict:
    grid, plain = evidence.group(MNIST, CORRECTED), evidence.group(SHUFFLED, CORRECTED)
    others = _known(evidence, SHUFFLED, (DEEPER, BEST))
    original, shuffled = _accuracy(grid), _accuracy(plain)
    if original is None or shuffled is None or BEST not in others:
        return Verdict(OPEN, "needs MNIST and shuffled MNIST under `corrected` and `best`")
    on_grid = _accuracy(evidence.group(MNIST, BEST))
    gap = original - shuffled
    learned = others[BEST].accuracy
    left = (on_grid if on_grid is not None else original) - learned.mean if learned else gap
    numbers = (
        f"corrected: {units.share(original, 4)} original, {units.share(shuffled, 4)} shuffled, "
        f"{100 * gap:.2f} points apart; shuffled: {_listed(others, 4)}; with a learned layout "
        f"{100 * left:.2f} points are left"
    )
    deeper = _accuracy(others.get(DEEPER))
    by_depth = deeper is not None and deeper - shuffled > gap / 2
    word = FAILS if by_depth else PARTLY if left < gap / 2 else HOLDS
    return Verdict(word, numbers, (grid, plain, evidence.group(MNIST, BEST), *others.values()))


def _faster(evidence: Evidence) -> Verdict:
    parts, groups, faster, level = [], [], [], []
    for dataset in (EXPRESSION, TCGA):
        for ours, its in PAIRS:
            mine, other = evidence.group(dataset, ours), evidence.group(dataset, its)
            if mine is None or other is None or not mine.n_ok or not other.n_ok:
                continue
            if "epochs" in evidence.smaller(dataset, ours) + evidence.smaller(dataset, its):
                continue  # cut short, each to another length: no comparison
            if not all(evidence.seconds(group, "train_seconds") for group in (mine, other)):
                continue  # shared, or measured elsewhere: no comparison either
            groups += [mine, other]
            ratios = {
                name: _ratio(value_of(other, column), value_of(mine, column))
                for name, column in (
                    ("conversion", "conversion_seconds"),
                    ("training", "train_seconds"),
                )
            }
            faster.append(all(ratio > 1 for ratio in ratios.values()))
            difference = (_accuracy(mine) or 0.0) - (_accuracy(other) or 0.0)
            level.append(difference > -0.01)
            parts.append(
                f"{dataset}, {its} against {ours}: "
                + ", ".join(f"{name} {units.number(r)} times" for name, r in ratios.items())
                + f" as long; accuracy of {ours} {difference:+.3f}".replace("-", "−")
            )
    if not parts:
        return Verdict(OPEN, "needs DeepInsight beside `best` or `corrected`, neither cut short")
    all_hold = all(faster) and all(level)
    word = HOLDS if all_hold else PARTLY if any(faster) or any(level) else FAILS
    return Verdict(word, "; ".join(parts), tuple(groups))


def _ratio(its: float | str | None, mine: float | str | None) -> float:
    if isinstance(its, float) and isinstance(mine, float) and mine > 0:
        return its / mine
    return float("nan")


def _pinpoint(evidence: Evidence) -> Verdict:
    parts, groups, right = [], [], []
    for dataset, method in (
        (NIHS, CORRECTED),
        (NIHS, BEST),
        (NIHS_RANDOM, CORRECTED),
        (NIHS_RANDOM, BEST),
    ):
        group = evidence.group(dataset, method)
        found = passes(evidence, group) if group is not None else None
        if group is None or found is None:
            continue
        groups.append(group)
        n = len(found.accepted)
        right.append(n > 0 and found.all_on_top == n)
        passed = f"{found.all_on_top} of {n} passes that count" if n else "no pass counts"
        parts.append(f"{method} on {dataset}: {'both on top in ' if n else ''}{passed}")
    if not parts:
        return Verdict(OPEN, "needs attributions on a table of needles")
    word = HOLDS if all(right) else PARTLY if any(right) else FAILS
    return Verdict(word, "; ".join(parts), tuple(groups))


def _two_dimensions(evidence: Evidence) -> Verdict:
    parts, groups, wins = [], [], []
    for dataset in (SHUFFLED, NIHS, NIHS_RANDOM, TCGA, EXPRESSION):
        one = _known(evidence, dataset, (CNN1D,))
        two = _known(evidence, dataset, (CORRECTED, BEST))
        if one and two:
            parts.append(f"{dataset}: {_listed(one | two)}")
            groups += [*one.values(), *two.values()]
            best = max(g.accuracy.mean for g in two.values() if g.accuracy)
            only = next(iter(one.values())).accuracy
            wins.append(only is not None and best > only.mean)
    if not parts:
        return Verdict(OPEN, "needs `cnn1d` beside a 2-D CNN")
    word = HOLDS if all(wins) else PARTLY if any(wins) else FAILS
    return Verdict(word, "; ".join(parts), tuple(groups))


def _cost(evidence: Evidence) -> Verdict:
    slopes = {m: slope(evidence, m) for m in GROWING}
    known = {m: s for m, s in slopes.items() if s is not None}
    groups = tuple(evidence.group(d, m) for d in GROWTH for m in known)
    if MLP not in known or len(known) < 2:
        return Verdict(OPEN, "needs `mlp` and a CNN at two sizes or more")
    powers = ", ".join(f"{m} {s:.2f}" for m, s in known.items())
    largest = [d for d in GROWTH if evidence.group(d, MLP) is not None][-1]
    found = {m: evidence.group(largest, m) for m in known}
    durations = ", ".join(
        f"{m} {units.duration(spread.median)}"
        for m, group in found.items()
        if group is not None and (spread := evidence.seconds(group, "train_seconds")) is not None
    )
    numbers = (
        f"seconds of training grow as pixels to the power of: {powers}; training at "
        f"{GROWTH[largest]:,} pixels: {durations}"
    )
    return Verdict(FAILS if known[MLP] < 1.5 else HOLDS, numbers, groups)


def _replacements(evidence: Evidence) -> Verdict:
    parts, groups, near = [], [], []
    for dataset in (NIHS_RANDOM, TCGA, SHUFFLED):
        found = _known(evidence, dataset, (VIT, RETNET, CORRECTED))
        if CORRECTED in found and len(found) > 1:
            groups += list(found.values())
            reference = found[CORRECTED].accuracy
            if reference is None or reference.mean < BAR:
                parts.append(
                    f"{dataset}: {_listed(found)}, where ResNet-18 itself learned too little"
                )
                continue
            parts.append(f"{dataset}: {_listed(found)}")
            near += [
                g.accuracy is not None and g.accuracy.mean >= reference.mean - 0.01
                for m, g in found.items()
                if m != CORRECTED
            ]
    if not near:
        return Verdict(OPEN, "needs `vit` or `retnet` beside a `corrected` that learned")
    word = HOLDS if all(near) else PARTLY if any(near) else FAILS
    return Verdict(word, "; ".join(parts), tuple(groups))


def _empty_cell(evidence: Evidence) -> Verdict:
    methods = (DEEPINSIGHT_PUBLISHED, DEEPINSIGHT, DEEPINSIGHT_EQUAL)
    parts, groups, best = [], [], 0.0
    for dataset in (NIHS, NIHS_RANDOM):
        for method in methods:
            group = evidence.group(dataset, method)
            if group is None:
                continue
            groups.append(group)
            accuracy = _accuracy(group)
            words = units.share(accuracy) if accuracy is not None else group.words
            parts.append(f"{method} on {dataset}: {words}")
            best = max(best, accuracy or 0.0)
    if not parts:
        return Verdict(OPEN, "needs DeepInsight on a table of needles")
    return Verdict(FAILS if best >= 0.9 else HOLDS, "; ".join(parts), tuple(groups))


JUDGES: dict[str, Callable[[Evidence], Verdict]] = {
    "traditional": _traditional,
    "not_improvable": _not_improvable,
    "faster": _faster,
    "pinpoint": _pinpoint,
    "two_dimensions": _two_dimensions,
    "cost": _cost,
    "replacements": _replacements,
    "empty_cell": _empty_cell,
}
