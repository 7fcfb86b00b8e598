"""A few needles in a haystack of noise: linear, in variance, in pairs or in larger groups.

1,000 samples, 1,024 features, two classes and two needles by default. The Bayes error is known.
`xor`, `ring` and `sum` follow the code of Passemiers et al. (2024), `ranges` is the table of `nihs`
with random needles, to the bit. No official split. MIT.
Trap: in `xor` and `ring` a feature alone has the same mean in both classes. A method has to look at
pairs or variances, and chance pairs are many: 523,776 among 1,024 features. In `parity3` all pairs
are independent of the class as well, and there are 178 million triples.
"""

import numpy as np

from datasets.table import Source, Table
from generators._needle_kinds import (
    EFFECTS,
    PUBLISHED,
    RULES,
    Conditions,
    apply_rules,
    conditions,
    group_sizes,
    needles_per_set,
    rules_error,
)
from generators._needle_noise import NOISES, draw
from generators._parameters import refuse, require_whole
from generators._streams import stream

KINDS = (*EFFECTS, *RULES)
ON_COINS = ("xor", "parity3", "parity4")
SOURCE = Source(
    citation="Simulated. Ring, xor and sum: Passemiers et al., A quantitative benchmark of neural "
    "network feature selection methods for detecting nonlinear signals, Sci Rep 14 (2024), doi "
    "10.1038/s41598-024-82583-5, as in their code; ranges: Ersavas, Smith, Mattick, Sci Rep 14 "
    "(2024), Table 1",
    address="generated",
    licence="MIT",
)


def load(
    *,
    n_samples: int = 1_000,
    n_features: int = 1_024,
    n_needles: int = 2,
    kind: str = "shift",
    effect: float | None = None,
    class_balance: float | None = 0.5,
    noise: str = "uniform",
    flip: float = 0.0,
    seed: int = 0,
) -> Table:
    """Draw noise in which `n_needles` features at random positions carry the class.

    Needles are independent except as the kind states. The table of a seed is the same to the bit on
    every machine in uniform noise, else on machines that round logarithm and exponential alike.

    In these kinds the values depend on the class. Class 1 has exactly n_samples * class_balance
    samples (rounded, halves down), in random order:

    - "shift": in class 1 the mean is higher by `effect` standard deviations of the noise.
    - "variance": in class 1 the variance is `effect` times that of the noise, with equal means.
    - "correlation": the normal scores of a pair correlate by `effect` in class 1 and by -`effect`
      in class 0. Each feature alone has the same distribution in both classes.
    - "ranges": the needles of `generators.nihs`, uniform in other ranges in each class.

    In these kinds all values are noise, and the class depends on them. u are the ranks of a group's
    values, in uniform noise the values themselves. Conditions are equally probable and, except in
    "mixture", joined by "or". The thresholds t, w and c give class 1 the expected share
    `class_balance`:

    - "xor": (u1 - 0.5) (0.5 - u2) >= t. For one pair and balanced classes t = 0, and each feature
      alone is independent of the class. With another t its distance from 0.5 is not.
    - "ring": the distance of (u1, u2) from (0.5, 0.5) is within w of 0.35. One feature alone has
      equal means but unequal variances in the classes.
    - "sum": u1 + u2 + normal noise of standard deviation 0.2 >= c. The class depends on each
      feature.
    - "ring+xor" and "ring+xor+sum": a pair of each.
    - "parity3" and "parity4": minus the product of all 0.5 - u is >= t. For one group and balanced
      classes t = 0: an odd number of three or four values is above 0.5, and all smaller sets of
      them are independent of the class.
    - "mixture": the majority of four conditions: u1 is at least t, u2 is at least t away from 0.5,
      "xor" of u3 and u4, and "parity3" of u5, u6 and u7. A fair coin decides a tie, so the Bayes
      error of balanced classes is 3/16. Each condition agrees with the class with probability
      11/16.

    Parameters
    ----------
    n_samples, n_features, seed : int
        Size of the table, seed of all draws.
    n_needles : int
        Any number for "shift", "variance" and "ranges", else a multiple of 2, of 4 for "ring+xor",
        6 for "ring+xor+sum", 3 for "parity3", 4 for "parity4" and 7 for "mixture". Further groups
        repeat the conditions.
    kind : str
        One of KINDS.
    effect : float, optional
        Size of the effect. Default: shift 1, variance 4, correlation 0.8.
    class_balance : float or None
        Share of class 1, before flips. None: the thresholds of the published code with one pair of
        each condition, which give 0.500 xor, 0.506 ring, 0.515 ring+xor, 0.498 ring+xor+sum.
    noise : {"uniform", "normal", "t", "lognormal", "blocks", "binary"}
        Uniform in [0, 1), normal, t with 3 degrees of freedom, log-normal (effects on its
        logarithm), normal in random groups of 25 features that correlate by 0.6, needles outside,
        or fair coins, 0 or 1. Coins are for one group of "xor", "parity3" or "parity4", whose
        patterns are equally frequent in the table: if n_samples is a multiple of their number, no
        smaller set of needles differs between the classes.
    flip : float
        Probability that a label is exchanged for the other class.

    Returns
    -------
    Table
        X (n_samples, n_features), float32. `relevant` has the needles, ascending. `notes` has the
        "kind", the "groups" of needles that act together, in the order of the conditions, those
        of two as "pairs", the "effect" or the "thresholds", and the "bayes_error".

    >>> table = load(kind="ring+xor", n_needles=4, n_features=50, seed=3)
    >>> table.relevant.tolist(), table.notes["groups"]
    ([24, 33, 39, 46], [[39, 24], [46, 33]])
    """
    require_whole("needles", 4, n_samples=n_samples)
    require_whole("needles", 1, n_features=n_features, n_needles=n_needles)
    require_whole("needles", 0, seed=seed)
    if n_needles > n_features:
        refuse("needles", "n_needles", f"at most n_features={n_features}", n_needles, "Lower it.")
    error = bayes_error(  # checks its parameters
        kind,
        n_needles=n_needles,
        effect=effect,
        class_balance=class_balance,
        noise=noise,
        flip=flip,
    )
    # The streams of `nihs`, so that kind="ranges" is its table.
    where = stream(seed, "nihs/needles").choice(n_features, n_needles, replace=False)
    where = where.astype(np.int64)
    sizes = group_sizes(kind, n_needles)
    if max(sizes) == 1:
        where.sort()
    groups = [group.tolist() for group in np.split(where, np.cumsum(sizes)[:-1])]
    notes: dict[str, object] = {"kind": kind, "groups": groups, "bayes_error": error}
    notes["pairs"] = [group for group in groups if len(group) == 2]
    X = draw(noise, n_samples, n_features, where, seed)
    values, distribution = X[:, where], NOISES[noise]
    if kind in EFFECTS:
        size = _size(kind, effect)
        y = _exact_classes(n_samples, _share(class_balance), seed)
        X[:, where] = EFFECTS[kind].place(values, y, size, distribution)
        notes["effect"] = size
    else:
        rules = _conditions(kind, n_needles, class_balance, effect)
        y = apply_rules(kind, distribution.ranks(values), rules, seed)
        notes["thresholds"] = [threshold for _, threshold in rules]
    if noise == "lognormal":
        np.exp(X, out=X)
    flipped = stream(seed, "needles/flip").random(n_samples) < flip
    return Table(
        name="needles",
        X=X,
        y=np.where(flipped, 1 - y, y),
        classes=("class 0", "class 1"),
        features=[f"variable_{i}" for i in range(n_features)],
        source=SOURCE,
        relevant=np.sort(where),
        notes=notes,
    )


def bayes_error(
    kind: str,
    *,
    n_needles: int = 2,
    effect: float | None = None,
    class_balance: float | None = 0.5,
    noise: str = "uniform",
    flip: float = 0.0,
) -> float:
    """Return the lowest error on new samples of a classifier that knows the needles.

    Closed forms or one numerical integral, except for t noise and for two or more pairs of "sum":
    convolution on a grid, right to 1e-4. Rules without a sum have 0. In "mixture" it is half the
    probability of a tie. Flips of probability f change an error e to f + (1 - 2 f) e. Parameters
    and the TableError are those of `load`.

    >>> round(bayes_error("shift", noise="normal"), 4)
    0.2398
    """
    if kind not in KINDS:
        refuse("needles", "kind", f"one of {', '.join(KINDS)}", kind, "Choose one.")
    if noise not in NOISES:
        refuse("needles", "noise", f"one of {', '.join(NOISES)}", noise, "Choose one.")
    if kind == "ranges" and noise != "uniform":
        refuse("needles", "noise", '"uniform" with kind="ranges"', noise, "Choose it.")
    if not 0 <= flip < 0.5:
        refuse("needles", "flip", "a number in 0..0.5, 0.5 excluded", flip, "Lower it.")
    _check_number(kind, n_needles)
    if noise == "binary":
        _check_coins(kind, n_needles, class_balance)
    if kind in EFFECTS:
        size, share = _size(kind, effect), _share(class_balance)
        error = EFFECTS[kind].error(size, n_needles, share, NOISES[noise])
    else:
        error = rules_error(kind, _conditions(kind, n_needles, class_balance, effect))
    return float(flip + (1 - 2 * flip) * error)


def _exact_classes(n_samples: int, share: float, seed: int) -> np.ndarray:
    """Return round(n_samples * share) labels 1, halves down, in random order, int64."""
    n_ones = int(np.ceil(n_samples * share - 0.5))
    if min(n_ones, n_samples - n_ones) < 2:
        expected = f"at least two of n_samples={n_samples} in each class"
        refuse("needles", "class_balance", expected, share, "Move it towards 0.5.")
    # Spread evenly before the shuffle: 0, 1, 0, 1, ... for equal classes, as in `nihs`.
    steps = (np.arange(n_samples + 1) * n_ones + (n_samples - 1) // 2) // n_samples
    return stream(seed, "nihs/labels").permutation(np.diff(steps).astype(np.int64))


def _check_number(kind: str, n_needles: int) -> None:
    require_whole("needles", 1, n_needles=n_needles)
    unit = needles_per_set(kind)
    if n_needles % unit:
        expected = f"a multiple of {unit} with kind={kind!r}"
        refuse("needles", "n_needles", expected, n_needles, f"Use {unit}, {2 * unit}, ...")


def _check_coins(kind: str, n_needles: int, class_balance: float | None) -> None:
    # Other thresholds than 0 have no meaning: a coin has two ranks.
    if kind not in ON_COINS:
        refuse("needles", "noise", f"another one with kind={kind!r}", "binary", "Choose it.")
    if n_needles != needles_per_set(kind):
        expected = f'{needles_per_set(kind)} with noise="binary" and kind={kind!r}'
        refuse("needles", "n_needles", expected, n_needles, "Use one group.")
    if class_balance not in (None, 0.5):
        advice = "Half of the patterns have an odd number of ones."
        refuse("needles", "class_balance", '0.5 with noise="binary"', class_balance, advice)


def _size(kind: str, effect: float | None) -> float:
    allowed = EFFECTS[kind]
    size = allowed.default if effect is None else effect
    if not allowed.allowed(size):
        expected = f"{allowed.expected} with kind={kind!r}"
        refuse("needles", "effect", expected, effect, f"The default is {allowed.default:g}.")
    return float(size)


def _share(class_balance: float | None) -> float:
    if class_balance is None:
        advice = "None stands for the published thresholds of xor, ring, ring+xor, ring+xor+sum."
        refuse("needles", "class_balance", "a number", None, advice)
    if not 0 < class_balance < 1:
        expected = "a number between 0 and 1, both excluded"
        refuse("needles", "class_balance", expected, class_balance, "Change it.")
    return float(class_balance)


def _conditions(
    kind: str, n_needles: int, class_balance: float | None, effect: float | None
) -> Conditions:
    if effect is not None:
        advice = "The rule fixes the strength of the needles. Use flip to blur it."
        refuse("needles", "effect", f"None with kind={kind!r}", effect, advice)
    if class_balance is not None or kind not in PUBLISHED:
        return conditions(kind, n_needles, _share(class_balance))
    if n_needles != 2 * len(PUBLISHED[kind]):
        expected = f"{2 * len(PUBLISHED[kind])} with class_balance=None and kind={kind!r}"
        advice = "The published thresholds are for one pair of each. Set a class_balance."
        refuse("needles", "n_needles", expected, n_needles, advice)
    return conditions(kind, n_needles, None)
