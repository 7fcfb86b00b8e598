"""Kinds of needles, and the error that remains for a classifier that knows them.

An effect changes the values of a needle in class 1. A rule changes no value: it computes the class
from groups of needles, on the ranks u of their values, which are uniform in [0, 1) for any noise.

RING, XOR and SUM are the conditions of Passemiers et al., Sci Rep 14 (2024), doi
10.1038/s41598-024-82583-5, as in their code (src/data.py at commit 74b17fa of
github.com/AntoinePassemiers/Feature-Selection-Benchmark). A condition is on two features, a sample
is of class 1 if any condition holds, and the thresholds make all conditions about equally frequent
and the classes about equal. Our additions: `sum` alone, repeated conditions, thresholds for any
class balance, parities of three and four features, and `mixture`, in which conditions vote.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import bdtrc, chdtr, chdtrc, chdtri, gammainc, log_ndtr, ndtr, ndtri

from generators._needle_noise import DEGREES, NORMAL, STUDENT, UNIFORM, Noise
from generators._streams import stream
from generators.nihs import TABLE_1, into_ranges

RING_RADIUS = 0.35
SUM_NOISE = 0.2  # standard deviation of the noise added to a sum
# Points of the distribution of a sum of independent terms, and quantiles of one term.
GRID, QUANTILES = 2**20, 2**16


@dataclass(frozen=True)
class Effect:
    """Needles whose values depend on the class.

    default: size of the effect if the caller gives none.
    expected: the allowed sizes in words, and `allowed` as a function.
    place: (values (n, k), classes (n,), size, noise) -> values of the needles.
    error: (size, k, share of class 1, noise) -> Bayes error.
    paired: whether the needles form pairs.
    """

    default: float
    expected: str
    allowed: Callable[[float], bool]
    place: Callable[[np.ndarray, np.ndarray, float, Noise], np.ndarray]
    error: Callable[[float, int, float, Noise], float]
    paired: bool = False


def _shift(x: np.ndarray, y: np.ndarray, size: float, noise: Noise) -> np.ndarray:
    return x + size * noise.sd * y[:, None]


def _shift_error(size: float, k: int, share: float, noise: Noise) -> float:
    """Uniform densities are equal in the overlap. Normal ones: linear discriminant."""
    if noise is UNIFORM:
        return min(share, 1 - share) * max(0.0, 1 - size * noise.sd) ** k
    if noise is NORMAL:
        distance = size * k**0.5
        tilt = np.log((1 - share) / share) / distance
        false_alarms = (1 - share) * ndtr(-distance / 2 - tilt)
        return float(false_alarms + share * ndtr(-distance / 2 + tilt))
    return _student_error(k, share, lambda x: x - size * noise.sd, 1.0)


def _variance(x: np.ndarray, y: np.ndarray, size: float, noise: Noise) -> np.ndarray:
    return np.where(y[:, None] == 1, noise.mean + size**0.5 * (x - noise.mean), x)


def _variance_error(size: float, k: int, share: float, noise: Noise) -> float:
    """Uniform: the narrow class is a box inside the wide one. Normal: a sphere."""
    if noise is UNIFORM:
        narrow, wide = (1 - share, share) if size > 1 else (share, 1 - share)
        return min(narrow, wide * max(size, 1 / size) ** (-k / 2))
    if noise is NORMAL:
        # Squared radius at which share * density 1 = (1 - share) * density 0, or 0 without one.
        radius = (2 * np.log((1 - share) / share) + k * np.log(size)) / (1 - 1 / size)
        radius = max(0.0, radius)
        inner, outer = (share, 1 - share) if size > 1 else (1 - share, share)
        inside, outside = (size, 1.0) if size > 1 else (1.0, size)
        return float(inner * chdtr(k, radius / inside) + outer * chdtrc(k, radius / outside))
    return _student_error(k, share, lambda x: x / size**0.5, size**-0.5)


def _correlation(x: np.ndarray, y: np.ndarray, size: float, noise: Noise) -> np.ndarray:
    first, own = _normal_scores(x[:, ::2], noise), _normal_scores(x[:, 1::2], noise)
    second = np.where(y[:, None] == 1, size, -size) * first + (1 - size**2) ** 0.5 * own
    placed = x.astype(np.float64)
    placed[:, 1::2] = noise.values(ndtr(second))
    return placed


def _normal_scores(x: np.ndarray, noise: Noise) -> np.ndarray:
    # Half a step of float32's uniform numbers away from 0 and 1, whose scores are infinite.
    return ndtri(np.clip(noise.ranks(x), 2**-25, 1 - 2**-25))


def _correlation_error(size: float, k: int, share: float, noise: Noise) -> float:
    """The classes differ in A - B. One pair, equal classes: arccos(size) / pi.

    With m = k / 2 pairs, A is the sum of (z1 + z2)^2 / 2 over pairs, B that of (z1 - z2)^2 / 2. In
    class 1 they are (1 + size) and (1 - size) times chi-square of m degrees of freedom, in class 0
    the reverse.
    """
    if size == 1:
        return 0.0
    m = k // 2
    wide, narrow = 1 + size, 1 - size
    bound = np.log((1 - share) / share) * wide * narrow / size

    def error_at(u: float) -> float:
        # B of either class at the same quantile, and the chance that A is on the wrong side.
        q = chdtri(m, u)
        missed = chdtr(m, max(0.0, bound + narrow * q) / wide)
        false_alarm = chdtrc(m, max(0.0, bound + wide * q) / narrow)
        return share * missed + (1 - share) * false_alarm

    return float(quad(error_at, 0, 1, limit=200)[0])


def _ranges(x: np.ndarray, y: np.ndarray, size: float, noise: Noise) -> np.ndarray:
    columns = [into_ranges(x[:, i], y, TABLE_1[i % len(TABLE_1)]) for i in range(x.shape[1])]
    return np.stack(columns, axis=1)


SHIFTS = "above 0 and at most 50 standard deviations"  # the exponential of 55 is still a float32
RATIOS = "a ratio in 0.01..100 other than 1"
CORRELATIONS = "a correlation above 0 and at most 1"
RANGES = "1, for the ranges of the paper's Table 1"
EFFECTS = {
    "shift": Effect(1.0, SHIFTS, lambda d: 0 < d <= 50, _shift, _shift_error),
    "variance": Effect(
        4.0, RATIOS, lambda r: 0.01 <= r <= 100 and r != 1, _variance, _variance_error
    ),
    "correlation": Effect(
        0.8, CORRELATIONS, lambda rho: 0 < rho <= 1, _correlation, _correlation_error, paired=True
    ),
    "ranges": Effect(1.0, RANGES, lambda size: size == 1, _ranges, lambda *_: 0.0),  # no overlap
}


@dataclass(frozen=True)
class Rule:
    """A condition on the ranks of a group of needles: score >= threshold.

    score: ranks of shape (n, size) -> (n,).
    chance: threshold -> probability of the condition, from 1 at `low` down to 0 at `high`.
    noise: standard deviation of the normal noise that is added to the score.
    size: number of needles in the group.
    """

    score: Callable[[np.ndarray], np.ndarray]
    chance: Callable[[float], float]
    low: float
    high: float
    noise: float = 0.0
    size: int = 2

    def threshold(self, chance: float) -> float:
        """Return the threshold at which the condition has the given probability."""
        return float(brentq(lambda t: self.chance(t) - chance, self.low, self.high, xtol=1e-14))


def _ring_chance(threshold: float) -> float:
    """Return the area of the unit square within -threshold of the circle."""
    return _disc(RING_RADIUS - threshold) - _disc(RING_RADIUS + threshold)


def _disc(radius: float) -> float:
    """Return the area that the unit square shares with a disc around its centre."""
    if radius <= 0.5:
        return np.pi * max(0.0, radius) ** 2
    if radius >= 0.5**0.5:
        return 1.0
    segment = radius**2 * np.arccos(0.5 / radius) - 0.5 * (radius**2 - 0.25) ** 0.5
    return float(np.pi * radius**2 - 4 * segment)


def _xor_chance(threshold: float) -> float:
    """A product of two uniform numbers exceeds s with probability 1 - s + s log s."""
    s = min(1.0, 4 * abs(threshold))
    beyond = (1 - s + s * np.log(s)) / 2 if s > 0 else 0.5
    return float(beyond if threshold >= 0 else 1 - beyond)


def _sum_chance(threshold: float) -> float:
    """Box convolved with box and normal: second difference of its double integral."""

    def twice_integrated(x: float) -> float:
        z = x / SUM_NOISE
        density = np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5
        return SUM_NOISE**2 * ((z**2 + 1) * ndtr(z) + z * density) / 2

    below = twice_integrated(threshold) - 2 * twice_integrated(threshold - 1)
    return float(1 - below - twice_integrated(threshold - 2))


def _ring_score(u: np.ndarray) -> np.ndarray:
    return -np.abs(np.hypot(u[:, 0] - 0.5, u[:, 1] - 0.5) - RING_RADIUS)


def parity(size: int) -> Rule:
    """Return the rule that an odd number of needles is above 0.5, if the threshold is 0.

    The score is minus the product of all 0.5 - u. For a pair it is that of XOR.
    """

    def score(u: np.ndarray) -> np.ndarray:
        return -np.prod(0.5 - u, axis=1)

    def chance(threshold: float) -> float:
        """Minus the logarithm of a product of uniform numbers has a gamma distribution."""
        s = min(1.0, 2**size * abs(threshold))
        beyond = float(gammainc(size, -np.log(s))) / 2 if s > 0 else 0.5
        return beyond if threshold >= 0 else 1 - beyond

    return Rule(score, chance, low=-(0.5**size), high=0.5**size, size=size)


RING = Rule(_ring_score, _ring_chance, low=RING_RADIUS - 0.5**0.5, high=0.0)
XOR = Rule(lambda u: (u[:, 0] - 0.5) * (0.5 - u[:, 1]), _xor_chance, low=-0.25, high=0.25)
SUM = Rule(lambda u: u[:, 0] + u[:, 1], _sum_chance, low=-2, high=4, noise=SUM_NOISE)
STEP = Rule(lambda u: u[:, 0], lambda t: 1 - t, low=0, high=1, size=1)
SPREAD = Rule(lambda u: np.abs(u[:, 0] - 0.5), lambda t: 1 - 2 * t, low=0, high=0.5, size=1)
PARITY3, PARITY4 = parity(3), parity(4)
RULES = {
    "xor": (XOR,),
    "ring": (RING,),
    "sum": (SUM,),
    "ring+xor": (RING, XOR),
    "ring+xor+sum": (RING, XOR, SUM),
    "parity3": (PARITY3,),
    "parity4": (PARITY4,),
    "mixture": (STEP, SPREAD, XOR, PARITY3),
}
VOTES = {"mixture"}  # Conditions vote. In all other kinds they are joined by "or".
# Thresholds of the published code. That of a ring is minus half its width.
PUBLISHED = {
    "xor": (0.0,),
    "ring": (-0.1151,),
    "ring+xor": (-0.0704, 0.0337),
    "ring+xor+sum": (-0.0479, 0.0598, 1.4074),
}
Conditions = list[tuple[Rule, float]]


def needles_per_set(kind: str) -> int:
    """Return the number of needles in one set of the kind's groups."""
    if kind in EFFECTS:
        return 1 + EFFECTS[kind].paired
    return sum(rule.size for rule in RULES[kind])


def group_sizes(kind: str, n_needles: int) -> list[int]:
    """Return the size of each group of needles that act together, in order."""
    sizes = [rule.size for rule in RULES[kind]] if kind in RULES else [needles_per_set(kind)]
    return sizes * (n_needles // needles_per_set(kind))


def conditions(kind: str, n_needles: int, share: float | None) -> Conditions:
    """Return the rule and the threshold of each group of needles, in order.

    `share` is the probability of class 1. All conditions are equally probable. None: published
    thresholds.
    """
    rules = RULES[kind]
    if share is None:
        return list(zip(rules, PUBLISHED[kind], strict=True))
    n_sets = n_needles // needles_per_set(kind)
    chance = _chance_of_one(kind, n_sets * len(rules), share)
    return [(rule, rule.threshold(chance)) for rule in rules] * n_sets


def _chance_of_one(kind: str, n_groups: int, share: float) -> float:
    if kind in VOTES:
        return float(brentq(lambda c: _majority_chance(n_groups, c) - share, 0, 1, xtol=1e-14))
    # Probability that no condition holds: 1 - share = (1 - chance)^n_groups.
    return float(-np.expm1(np.log1p(-share) / n_groups))


def _majority_chance(n_votes: int, chance: float) -> float:
    """Return the probability of more than half of the votes, plus half that of a tie."""
    half = n_votes // 2
    return float(bdtrc(half, n_votes, chance) + bdtrc(half - 1, n_votes, chance)) / 2


def apply_rules(kind: str, ranks: np.ndarray, groups: Conditions, seed: int) -> np.ndarray:
    """Return the class of each sample, int64 (n_samples,).

    In `ranks`, (n_samples, n_needles), groups are side by side. `seed` draws the noise of sums and
    the coins that decide ties.
    """
    noise = stream(seed, "needles/sum")
    held = np.zeros(len(ranks), dtype=np.int64)
    start = 0
    for rule, threshold in groups:
        score = rule.score(ranks[:, start : start + rule.size])
        if rule.noise:
            score = score + noise.normal(0, rule.noise, size=len(ranks))
        held += score >= threshold
        start += rule.size
    if kind not in VOTES:
        return (held > 0).astype(np.int64)
    coins = stream(seed, "needles/ties").integers(2, size=len(ranks))
    return (2 * held + coins > len(groups)).astype(np.int64)


def rules_error(kind: str, groups: Conditions) -> float:
    """Return the Bayes error: only the noise of sums and the coins of ties are hidden.

    The noise matters in samples in which no other rule holds. Half of the ties are wrong.
    """
    if kind in VOTES:
        (rule, threshold), n_votes = groups[0], len(groups)
        chance, half = rule.chance(threshold), len(groups) // 2
        return float(bdtrc(half - 1, n_votes, chance) - bdtrc(half, n_votes, chance)) / 2
    noisy = [threshold for rule, threshold in groups if rule.noise]
    if not noisy:
        return 0.0
    p_no_other = np.prod(
        [1 - rule.chance(threshold) for rule, threshold in groups if not rule.noise]
    )
    u = (np.arange(QUANTILES) + 0.5) / QUANTILES
    sums = np.where(u < 0.5, np.sqrt(2 * u), 2 - np.sqrt(2 * (1 - u)))  # of two uniform numbers
    # Class 0 has the probability q that no sum reaches its threshold: a product over pairs.
    log_q = log_ndtr((noisy[0] - sums) / SUM_NOISE)
    error = _mean_of_sum(log_q, len(noisy), lambda w: np.minimum(np.exp(w), -np.expm1(w)))
    return float(p_no_other * error)


def _student_error(
    k: int, share: float, back: Callable[[np.ndarray], np.ndarray], slope: float
) -> float:
    """Bayes error of k needles in t noise: convolve their log likelihood ratios.

    `back` maps a value of class 1 to its noise, and `slope` is its derivative.
    """

    def log_density(x: np.ndarray) -> np.ndarray:  # up to a constant
        return -(DEGREES + 1) / 2 * np.log1p(x**2 / DEGREES)

    x = STUDENT.values((np.arange(QUANTILES) + 0.5) / QUANTILES)
    ratios = log_density(back(x)) + np.log(slope) - log_density(x)
    prior = np.log(share / (1 - share))
    # The smaller of both joint densities, as a multiple of class 0's, over samples of class 0.
    return (1 - share) * _mean_of_sum(ratios, k, lambda r: np.exp(np.minimum(0, r + prior)))


def _mean_of_sum(
    values: np.ndarray, count: int, function: Callable[[np.ndarray], np.ndarray]
) -> float:
    """Return E[function(sum of `count` draws of equally likely values)].

    The distribution of one value is convolved with itself on a grid of GRID points. A value between
    two points is split between them so that the mean stays the same.
    """
    if count == 1:
        return float(np.mean(function(values)))
    low, points = values.min(), max(1, (GRID - 1) // count - 1)
    step = np.ptp(values) / points
    at, part = np.divmod((values - low) / step, 1)
    single = np.bincount(at.astype(np.int64), 1 - part, minlength=GRID)
    single += np.bincount(at.astype(np.int64) + 1, part, minlength=GRID)
    chances = np.fft.irfft(np.fft.rfft(single / len(values)) ** count, n=GRID)
    return float(chances @ function(count * low + step * np.arange(GRID)))
