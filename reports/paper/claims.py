"""The paper's claims. Each is judged by the methods that the paper speaks of, from intervals."""

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, product
from pathlib import Path
from typing import Any

import pandas as pd

from reports import units
from reports.paper.cost import slope
from reports.paper.evidence import NOT_MEASURED, Evidence, keys_of
from reports.paper.exhibit import Exhibit
from reports.paper.labels import ON_TRUE_GRID
from reports.paper.needles import passes
from reports.results import Group
from reports.statistics.estimates import Estimate, estimate, wilson_interval
from reports.tables.views import PROSE, Block, Cell, Column, Footnotes, View

TITLE = "The paper's claims, put to the test"
CAPTION = (
    "Each claim in the paper's words, the methods that it is judged by, the rule, our measurements "
    "and the verdict. `corrected` is the paper's network, a plain 2-D CNN. Accuracies are those of "
    "the first method minus those of the second, over the same test rows and seeds. Seconds are "
    "those of the second by those of the first, over seeds. In brackets: 95% intervals. "
    f"A measurement is undecided if its interval contains the bound, and {NOT_MEASURED} without an "
    "interval. A claim holds if all measurements hold, and in part if some do. It does not hold if "
    "none does and one clearly fails. The rules were revised after a first run at small sizes. "
    "`best`, the engine of this repository, and DeepInsight with its network have a column of "
    "their own and no verdict."
)
CLAIMS = Path(__file__).with_suffix(".toml")
HEAD = ("Claim", "Judged by", "Rule", "Measured", "Verdict", "Our engine (no verdict)")
HOLDS, PARTLY, FAILS = "holds", "holds in part", "does not hold"
UNDECIDED, OPEN = "undecided", NOT_MEASURED


@dataclass(frozen=True)
class Claim:
    """An entry of claims.toml.

    Attributes
    ----------
    name, words, where, rule : for the reader
    measure : a key of `MEASURES`
    judges, against : labels of the methods that are judged, and of those beside them
    tables : labels of the tables
    bound : of the measured number
    seconds : names of the columns of seconds to compare
    least : smallest accuracy of `against` for a table to count
    ours : other `judges` and `against`, for the column of our engine
    """

    name: str
    words: str
    where: str
    rule: str
    measure: str
    judges: Sequence[str]
    tables: Sequence[str]
    bound: float
    against: Sequence[str] = ()
    seconds: Sequence[str] = ()
    least: float = 0.0
    ours: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One measurement for a claim: what is compared, numbers, verdict and groups.

    `numbers` are empty without a cell.
    """

    label: str
    numbers: str
    word: str
    groups: tuple[Group | None, ...]


def claims(evidence: Evidence) -> Exhibit:
    rows, data, footnotes = [], [], Footnotes()
    groups: list[Group | None] = []
    for entry in tomllib.loads(CLAIMS.read_text())["claim"]:
        claim = Claim(**entry)
        measure = MEASURES[claim.measure]
        parts = measure(evidence, claim)
        version = replace(claim, **claim.ours)
        ours = measure(evidence, version) if claim.ours else []
        word = verdict([part.word for part in parts if part.word])
        behind, behind_ours = (
            [g for part in listed for g in part.groups] for listed in (parts, ours)
        )
        keys, keys_of_ours = keys_of(*behind), keys_of(*behind_ours)
        groups += behind + behind_ours
        smaller = evidence.shrunk(keys_of(*behind, *behind_ours))
        notes = (footnotes.number(smaller),) if smaller else ()
        prefix = f"{_sides(version)}: " if ours and version.against else ""
        texts = {
            "judges": _sides(claim),
            "rule": claim.rule,
            "numbers": _listed(parts, with_words=True),
            "verdict": word,
            "ours": prefix + _listed(ours) or "–",
        }
        rows.append(
            [
                Cell(f"“{claim.words}” ({claim.where})"),
                Cell(texts["judges"]),
                Cell(claim.rule),
                Cell(texts["numbers"], notes=notes, keys=keys),
                Cell(word, keys=keys),
                Cell(texts["ours"], keys=keys_of_ours),
            ]
        )
        texts = {"claim": claim.name, "words": claim.words} | texts
        data.append(texts | {"smaller": smaller, "cells": " ".join(keys)})
    columns = [Column(name, mark=PROSE) for name in HEAD]
    blocks = [Block(TITLE, columns, rows)]
    view = View("claims", TITLE, CAPTION, blocks, footnotes.texts, pd.DataFrame(data))
    return Exhibit("claims", TITLE, CAPTION, keys_of(*groups), view=view)


def judge(measured: Estimate | None, bound: float, above: str = HOLDS, below: str = FAILS) -> str:
    """Return `above` or `below` if the whole interval is there, else undecided or not measured."""
    if measured is None or measured.low is None or measured.high is None:
        return OPEN
    return above if measured.low > bound else below if measured.high < bound else UNDECIDED


def verdict(words: Sequence[str]) -> str:
    """Return the verdict over all measurements of a claim.

    Examples
    --------
    >>> verdict([HOLDS, OPEN]), verdict([FAILS, UNDECIDED]), verdict([UNDECIDED, OPEN])
    ('holds in part', 'does not hold', 'undecided')
    """
    if HOLDS in words:
        return HOLDS if set(words) == {HOLDS} else PARTLY
    return next((word for word in (FAILS, UNDECIDED) if word in words), OPEN)


def _listed(parts: list[Part], *, with_words: bool = False) -> str:
    """Write the measurements. Those that follow each other with one label share it."""
    texts, missing = [], []
    for label, same in groupby(parts, key=lambda part: part.label):
        known = [part for part in same if part.numbers]
        written = [f"{p.numbers} ({p.word})" if with_words and p.word else p.numbers for p in known]
        if known:
            texts.append(f"{label}: {', '.join(written)}" if label else ", ".join(written))
        else:
            missing.append(label)
    return "; ".join([*texts, *([f"{OPEN}: {'; '.join(missing)}"] if missing else [])])


def _sides(claim: Claim) -> str:
    rivals = f" against {', '.join(claim.against)}" if claim.against else ""
    return ", ".join(claim.judges) + rivals


def _label(claim: Claim, dataset: str, method: str, other: str) -> str:
    """Name the table, and a method if the claim has several."""
    names = ((method, claim.judges), (other, claim.against))
    return ", ".join([dataset, *(name for name, listed in names if len(listed) > 1)])


def _reaches(evidence: Evidence, claim: Claim) -> list[Part]:
    """One part: it fails if any method has an accuracy above the bound on any table."""
    groups, words, texts = [], set(), []
    for dataset in claim.tables:
        of_table = [evidence.group(dataset, method) for method in claim.judges]
        known = [(g.accuracy, g.method) for g in of_table if g is not None and g.accuracy]
        known.sort(key=lambda pair: (-pair[0].mean, pair[1]))
        written = ", ".join(f"{method} {_written(value)}" for value, method in known)
        texts += [f"{dataset}: {written}"] if known else []
        words |= {judge(g.accuracy if g else None, claim.bound, FAILS, HOLDS) for g in of_table}
        groups += of_table
    word = FAILS if FAILS in words else words.pop() if len(words) == 1 else UNDECIDED
    numbers = "; ".join(texts)
    return [Part("" if numbers else _sides(claim), numbers, word, tuple(groups))]


def _gap(evidence: Evidence, claim: Claim) -> list[Part]:
    """The gap of the reference between two tables minus that of the method judged.

    The interval takes the differences on the two tables as independent.
    """
    original, shuffled = claim.tables
    parts = []
    for method, other in product(claim.judges, claim.against):
        same_network = ON_TRUE_GRID.get(method, method)
        pairs = (
            (evidence.group(original, same_network), evidence.group(original, other)),
            (evidence.group(shuffled, method), evidence.group(shuffled, other)),
        )
        groups, label = (*pairs[0], *pairs[1]), f"{original} and {shuffled}"
        on_grid, on_shuffled = (_difference(evidence, *pair) for pair in pairs)
        if on_grid is None or on_shuffled is None:
            parts.append(Part(label, "", OPEN, groups))
            continue
        closed = Estimate(on_shuffled.mean - on_grid.mean, on_grid.n)
        if on_grid.half is not None and on_shuffled.half is not None:
            half = math.hypot(on_grid.half, on_shuffled.half)
            closed = replace(closed, low=closed.mean - half, high=closed.mean + half)
        accuracies = ", ".join(
            f"{name} {_mean(pairs[0][i], 4)} and {_mean(pairs[1][i], 4)}"
            for i, name in ((1, other), (0, same_network))
        )
        numbers = f"{accuracies}, gap smaller by {_signed(closed)}"
        parts.append(Part(label, numbers, judge(closed, claim.bound, FAILS, HOLDS), groups))
    return parts


def _speed(evidence: Evidence, claim: Claim) -> list[Part]:
    parts = []
    for dataset, method, other in product(claim.tables, claim.judges, claim.against):
        label, pair = _label(claim, dataset, method, other), (dataset, method, other)
        parts += [_time(evidence, label, *pair, phase) for phase in claim.seconds]
        parts.append(_accuracy(evidence, claim, *pair))
    return parts


def _differences(evidence: Evidence, claim: Claim) -> list[Part]:
    parts = []
    for dataset, method, other in product(claim.tables, claim.judges, claim.against):
        base = evidence.group(dataset, other)
        if base is None or base.accuracy is None or base.accuracy.mean >= claim.least:
            parts.append(_accuracy(evidence, claim, dataset, method, other))
    return parts


def _pinpoint(evidence: Evidence, claim: Claim) -> list[Part]:
    """Count the passes of all tables together."""
    parts = []
    for method in claim.judges:
        groups = [g for d in claim.tables if (g := evidence.group(d, method)) is not None]
        tallies = [(group, passes(evidence, group)) for group in groups]
        n = sum(len(group.ok) for group, tally in tallies if tally is not None)
        if not n:
            parts.append(Part(method, "", OPEN, tuple(groups)))
            continue
        right = sum(tally.all_on_top for _, tally in tallies if tally is not None)
        share = Estimate(right / n, n, None, *wilson_interval(right / n, n))
        numbers = f"all needles on top in {right} of {n} passes, {_written(share)}"
        parts.append(Part(method, numbers, judge(share, claim.bound), tuple(groups)))
    return parts


def _cost(evidence: Evidence, claim: Claim) -> list[Part]:
    parts = []
    for method, other in product(claim.judges, claim.against):
        for grown in (method, other):
            power = slope(evidence, grown)
            groups = tuple(evidence.group(dataset, grown) for dataset in claim.tables)
            numbers = f"pixels to the power of {_written(power, 2)}" if power else ""
            word = judge(power, claim.bound) if grown == method else ""  # the other is shown
            parts.append(Part(f"training of {grown}", numbers, word, groups))
        sides = f"{method} against {other}"
        times = [
            _time(evidence, f"{sides}, {dataset}", dataset, other, method, "training")
            for dataset in claim.tables
        ]
        parts.append(([time for time in times if time.numbers] or times)[-1])
    return parts


MEASURES: dict[str, Callable[[Evidence, Claim], list[Part]]] = {
    "reaches": _reaches,
    "gap": _gap,
    "speed": _speed,
    "differences": _differences,
    "pinpoint": _pinpoint,
    "cost": _cost,
}
SECONDS = {
    "conversion": "conversion_seconds",
    "training": "train_seconds",
    "prediction": "predict_seconds",
}


def _difference(evidence: Evidence, group: Group | None, other: Group | None) -> Estimate | None:
    """Return the difference of accuracies, the measure that the paper speaks of."""
    return evidence.pairs.difference(group, other, "accuracy") if group and other else None


def _accuracy(evidence: Evidence, claim: Claim, dataset: str, method: str, other: str) -> Part:
    """Compare accuracies: above the bound holds."""
    group, base = evidence.group(dataset, method), evidence.group(dataset, other)
    difference = _difference(evidence, group, base)
    numbers = ""
    if difference is not None:
        numbers = f"accuracy {_mean(group)} − {_mean(base)} = {_signed(difference)}"
    label = _label(claim, dataset, method, other)
    return Part(label, numbers, judge(difference, claim.bound), (group, base))


def _mean(group: Group | None, digits: int = 3) -> str:
    return units.share(group.accuracy.mean if group and group.accuracy else None, digits)


def _time(
    evidence: Evidence, label: str, dataset: str, method: str, other: str, phase: str
) -> Part:
    """Compare seconds: it holds if those of `other` are more."""
    group, base = evidence.group(dataset, method), evidence.group(dataset, other)
    if group is None or base is None or not (group.ok and base.ok):
        return Part(label, "", OPEN, (group, base))
    ratio = seconds_ratio(evidence, group, base, SECONDS[phase])
    words = f"ratio {_written(ratio, None)}" if ratio else "not comparable"
    return Part(label, f"{phase} {words}", judge(ratio, 1.0), (group, base))


def seconds_ratio(evidence: Evidence, group: Group, base: Group, column: str) -> Estimate | None:
    """Return seconds of `base` by those of `group`: geometric mean and t interval over seeds.

    None if seconds do not compare: epochs that were cut by other factors, shared or other hardware.
    """
    epochs = [evidence.smaller(g.dataset, g.method).get("epochs") for g in (group, base)]
    is_elsewhere = evidence.elsewhere(group) or evidence.elsewhere(base)
    if epochs[0] != epochs[1] or is_elsewhere or group.machine != base.machine:
        return None
    own, others = ({c["seed"]: c[column] for c in g.timed if c[column]} for g in (group, base))
    logs = estimate([math.log(others[s] / own[s]) for s in sorted(own.keys() & others.keys())])
    if logs is None:
        return None
    ends = (None if end is None else math.exp(end) for end in (logs.low, logs.high))
    return Estimate(math.exp(logs.mean), logs.n, None, *ends)


def _written(value: Estimate | None, digits: int | None = 3, sign: str = "") -> str:
    """Format such as 0.982 [0.970, 0.990]. Without `digits`, three significant ones."""
    if value is None:
        return units.NOT_KNOWN
    numbers = (value.mean,) if value.low is None else (value.mean, value.low, value.high)
    first, *ends = (
        units.number(number) if digits is None else f"{number:{sign}.{digits}f}".replace("-", "−")
        for number in numbers
    )
    return f"{first} [{', '.join(ends)}]" if ends else f"{first} (no interval)"


def _signed(value: Estimate) -> str:
    return _written(value, 3, "+")
