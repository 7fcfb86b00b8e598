"""RNA-seq read counts of a simulated cohort, as large as the paper's.

6,216 samples, 19,319 genes, ten classes (largest : smallest = 2.2), no official split. MIT. Counts
are negative binomial. For sample i of class c and gene g of module m:

    rate  = depth_i * mean_g * exp(purity_i * effect_cg + loading_g * factor_im - loading_g^2 / 2)
    count ~ Poisson(rate * Gamma(1 / phi_g) * phi_g), or 0 if the gene dropped out

Constants are measured on `datasets.tcga` (`python -m generators.expression` compares both).
Trap: with classes_by="markers", the default, class effects are weak and spread over a fifth of the
genes, unlike in TCGA. Linear methods add them up. Nearest neighbours do not see them (0.14, on real
tumours 0.99). With classes_by="programs" they do.
"""

import importlib
import sys
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import polygamma

from datasets.table import Source, Table
from generators._parameters import refuse, require_whole, require_within
from generators._streams import stream

# Measured on 364 samples of TCGA and its 19,319 genes of largest mean count.
# Natural logarithm of a gene's mean count at average depth: 21 quantiles, from 0% to 100%.
LOG_MEANS = (
    *(2.988, 3.488, 3.848, 4.209, 4.585, 4.979, 5.387, 5.743, 6.085, 6.369, 6.625),
    *(6.860, 7.069, 7.286, 7.484, 7.688, 7.901, 8.141, 8.461, 8.923, 12.329),
)
# Dispersion within a class, (variance - mean) / mean^2: the median gene of each decile of the mean,
# and the sd of its logarithm (half the distance from 16% to 84%).
TREND_MEANS = (32.8, 67.6, 146.2, 311.5, 580.8, 948.6, 1454.0, 2186.8, 3483.5, 9324.7)
TREND_DISPERSIONS = (1.303, 1.235, 1.035, 0.725, 0.431, 0.295, 0.244, 0.216, 0.200, 0.194)
TREND_SPREADS = (1.29, 1.27, 1.27, 1.18, 1.13, 0.90, 0.83, 0.71, 0.67, 0.72)
# A gene's chance to drop out is beta(2 m, 2 (1 - m)), where m falls with the mean count, to half at
# 100. In TCGA the sum of both beta parameters, fitted to genes of similar mean, is 1.8 to 2.9.
DROPOUT_HALF_MEAN, DROPOUT_CONCENTRATION = 100.0, 2.0
# The size for which `effect` is stated: 6,216 samples in 10 classes, 19,319 genes.
REFERENCE_FEATURES, REFERENCE_CLASS_SIZE = 19_319, 621.6
SIZE_EXPONENT = 0.3
# Defaults of both models of classes. Those of "programs" are of six TCGA types: 42% of a gene's
# variance lies between classes, in all genes. With a module_share of 0.7 the first 1, 5, 20
# components within classes explain 12%, 29%, 48% of the variance, in TCGA 12%, 27%, 47%.
MARKERS = {"relevant_fraction": 0.2, "purity": 0.6, "purity_spread": 0.2, "module_share": 0.5}
PROGRAMS = {"relevant_fraction": 1.0, "purity": 1.0, "purity_spread": 0.0, "module_share": 0.7}
DEFAULTS: dict[str, dict[str, float]] = {
    "markers": {"effect": 0.39, **MARKERS},
    "programs": {"between": 0.42, **PROGRAMS},
}
MOST_BETWEEN = 0.7  # of the variance of the relevant genes
MOST_SCALE = 100.0  # of the effects of programs
# 20 MB of float64 values, of which about six arrays exist at a time. Random numbers are drawn by
# block: another number of rows makes another table.
BLOCK_ROWS = 128
SOURCE = Source(
    citation="Simulated; sizes of Ersavas, Smith, Mattick, Sci Rep 14 (2024), Table 2; "
    "distributions measured on TCGA read counts (github.com/umccr/RNAsum.data)",
    address="generated",
    licence="MIT",
)


def load(
    *,
    n_samples: int = 6_216,
    n_features: int = 19_319,
    n_classes: int = 10,
    classes_by: str = "markers",
    effect: float | None = None,
    between: float | None = None,
    relevant_fraction: float | None = None,
    purity: float | None = None,
    purity_spread: float | None = None,
    class_ratio: float = 2.2,
    depth_spread: float = 0.31,
    module_share: float | None = None,
    n_modules: int = 50,
    dropout: float = 0.13,
    n_batches: int = 1,
    batch_spread: float = 0.29,
    seed: int = 0,
) -> Table:
    """Draw raw read counts.

    The table of a seed is the same to the bit for any number of threads, but may differ between
    processors that round logarithms differently. Classes differ in one of two ways:

    - "markers": each relevant gene marks one class, in which its logarithm is shifted up or down,
      independently of other genes.
    - "programs": a program is a module of co-expressed genes that is on in some of the classes, a
      run of neighbours in a random circle of classes. So classes share programs, neighbours most.
      Where it is on, the logarithm of each relevant gene of the module is shifted by its loading
      times a number of 0.5 to 1.5 times a scale. The scale gives the stated share of variance
      between classes. A gene's mean over all classes stays the same.

    Measured on real tables, as log(1 + count) at average depth: the share of a gene's variance that
    lies between classes (`between`, mean over genes) and the share of genes that differ (Storey's
    estimate at 0.5, for `relevant_fraction`):

    - six TCGA types, 364 samples: 0.42 and 1.0, the defaults of "programs"
    - four subtypes of colorectal cancer (CMS), 63 samples: 0.15 and 0.81
    - its microsatellite instability (MSI), 74 samples: 0.03 and 0.44
    - five soft-tissue tumours of `nakayama`, 86 samples: 0.11 and 0.67

    Simulated tables of these sizes have the same share of variance between classes (within 0.02).
    One nearest neighbour is right in 1.00, 0.94, 0.95, 0.78 of the samples (real: 0.99, 0.79, 0.93,
    0.77), logistic regression in 1.00, 0.98, 0.99, 0.97 (real: 0.99, 0.89, 0.97, 0.80). So linear
    methods find the subtypes and sarcomas easier to classify than real ones.

    Parameters
    ----------
    n_samples, n_features, n_classes, seed : int
        Numbers of samples, genes and classes, seed of all draws.
    classes_by : {"markers", "programs"}
    effect : float, optional
        Only for "markers": mean absolute natural log fold change of a marking gene in a sample of
        purity 1, at the default size (see `scaled_effect`). With the default 0.39, chosen on seeds
        from 100 on, logistic regression has an accuracy of 0.965 to 0.985, as published for TCGA.
    between : float, optional
        Only for "programs": share of the variance of a gene's log count that lies between classes,
        mean over all genes. Default: 0.42. At most 0.7 times relevant_fraction.
    relevant_fraction : float, optional
        Share of genes that differ between classes. Default: 0.2, for "programs" 1.
    purity, purity_spread : float, optional
        Mean and standard deviation of the share of tumour cells in a sample (beta distribution), a
        factor of its class effects. Samples of low purity are hard to classify. Default: 0.6 and
        0.2, both assumed. For "programs" 1 and 0, because normal cells of a tissue have its
        programs, too.
    class_ratio : float
        Size of the largest class over that of the smallest. Sizes fall evenly in logarithm. The
        classes of the paper's code have 1,093 to 501 samples.
    depth_spread : float
        Standard deviation of the natural logarithm of library size. TCGA: 0.31.
    module_share : float, optional
        Share of a gene's log-scale dispersion that is common to its module of co-expressed genes.
        Default: 0.5, for "programs" 0.7. With 0.5 and 50 modules the first principal components
        within classes explain two thirds of their share in TCGA.
    n_modules : int
        Number of modules. Module k has a share of genes proportional to 1 / k.
    dropout : float
        Mean chance that a hardly expressed gene has no count in a sample, half of it at a mean
        count of 100. Fitted to the zeros that dispersion does not explain.
    n_batches : int
        Number of batches of equal size, independent of the classes. With two or more, the batch of
        a row is its group, so a drawn split tests on other batches. Use at least as many batches
        as the split has folds.
    batch_spread : float
        Standard deviation of a gene's natural log shift between batches. Between four plates of
        TCGA's DLBC it is 0.29, between hospitals 0.06 to 0.23.

    Returns
    -------
    Table
        X (n_samples, n_features), float32. `relevant` has the genes that differ between classes.
        For "markers", `notes["marks"]` has the class that each of them marks. For "programs",
        `notes["programs"]` has the program of each of them, and `notes["active"]` the classes in
        which each program is on.
    """
    require_whole("expression", 2, n_classes=n_classes)
    require_whole("expression", n_classes, n_features=n_features)
    require_whole("expression", 1, n_modules=n_modules, n_samples=n_samples, n_batches=n_batches)
    require_whole("expression", 0, seed=seed)
    given = {"effect": effect, "between": between, "relevant_fraction": relevant_fraction}
    given |= {"purity": purity, "purity_spread": purity_spread, "module_share": module_share}
    chosen = _choose(classes_by, given)
    require_within("expression", 0, 1, dropout=dropout)
    require_within("expression", 0, 5, depth_spread=depth_spread, batch_spread=batch_spread)
    require_within("expression", 1, 1e6, class_ratio=class_ratio)
    sizes = class_sizes(n_samples, n_classes, class_ratio)
    n_relevant = max(n_classes, round(chosen["relevant_fraction"] * n_features))
    genes = draw_genes(n_features, chosen["module_share"], n_modules, dropout, seed)
    batches = draw_batches(n_samples, n_features, n_batches, batch_spread, seed)
    notes: dict[str, object]
    if classes_by == "markers":
        fold_change = scaled_effect(chosen["effect"], n_samples, n_features, n_classes)
        markers = draw_markers(n_features, n_relevant, n_classes, fold_change, seed)
        notes = {"marks": markers.of.tolist(), "fold_change": fold_change}
    else:
        active = draw_activity(n_classes, n_modules, seed)
        cohort = Cohort(sizes / n_samples, chosen["purity"], chosen["purity_spread"], batches)
        markers = draw_programs(genes, n_relevant, active, chosen["between"], cohort, seed)
        genes = keep_means(genes, markers, cohort)
        notes = {"programs": markers.of.tolist()}
        notes["active"] = [np.flatnonzero(on).tolist() for on in active.T]
    samples = draw_samples(
        sizes, chosen["purity"], chosen["purity_spread"], depth_spread, n_modules, seed
    )
    return Table(
        name="expression",
        X=draw_counts(genes, markers, samples, seed, batches),
        y=samples.y,
        classes=[f"type_{k}" for k in range(n_classes)],
        features=[f"gene_{g}" for g in range(n_features)],
        source=SOURCE,
        relevant=markers.genes,
        groups=None if batches is None else batches.of,
        notes=notes,
    )


@dataclass(frozen=True)
class Genes:
    """Parameters of the genes, arrays of shape (n_features,).

    mean: mean count at depth 1 without class effects and dropout.
    phi: dispersion of its own gamma factor.
    loading: standard deviation of its logarithm due to its module, with a sign.
    module: index of its module.
    seen: chance that it does not drop out.
    """

    mean: np.ndarray
    phi: np.ndarray
    loading: np.ndarray
    module: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class Markers:
    """The relevant genes, shape (n_relevant,), effects (n_classes, n_relevant).

    genes: indices, ascending.
    of: the class that each gene marks, or its program.
    effects: natural logarithm of the fold change at purity 1, 0 in classes that it does not mark.
    """

    genes: np.ndarray
    of: np.ndarray
    effects: np.ndarray


@dataclass(frozen=True)
class Samples:
    """Parameters of the samples, shape (n_samples,), factors (n_samples, n_modules)."""

    y: np.ndarray
    depth: np.ndarray
    purity: np.ndarray
    factors: np.ndarray


@dataclass(frozen=True)
class Batches:
    """The batch of each sample, (n_samples,), and log shifts (n_batches, n_features)."""

    of: np.ndarray
    shifts: np.ndarray


@dataclass(frozen=True)
class Cohort:
    """What the variance of a gene depends on beside the gene.

    shares: share of samples in each class, (n_classes,).
    purity, purity_spread: see `load`.
    batches: None if there is one.
    """

    shares: np.ndarray
    purity: float
    purity_spread: float
    batches: Batches | None


def scaled_effect(effect: float, n_samples: int, n_features: int, n_classes: int) -> float:
    """Return the fold change that keeps a table of another size about as hard.

    A linear method finds a signal of squared length s, proportional to effect^2 * p, among errors
    of squared length p / n. Tables with equal s^2 * n / p are equally hard, so effect should be
    proportional to (p * n)^-0.25. Modules are harder to cancel with fewer samples: with -0.25
    logistic regression fell to about 0.9 at 600 x 2,000. With -0.3 it has 0.96 (seeds from 100 on).
    """
    size = n_features * n_samples / n_classes
    return float(effect * (REFERENCE_FEATURES * REFERENCE_CLASS_SIZE / size) ** SIZE_EXPONENT)


def class_sizes(n_samples: int, n_classes: int, class_ratio: float) -> np.ndarray:
    """Return the sizes of the classes, descending. The first has the remainder."""
    weights = class_ratio ** (-np.arange(n_classes) / (n_classes - 1))
    sizes = np.floor(weights / weights.sum() * n_samples).astype(np.int64)
    sizes[0] += n_samples - sizes.sum()
    if sizes.min() < 2:
        expected = f"enough for two samples in each of {n_classes} classes"
        advice = f"The smallest would have {sizes.min()}: raise it, or lower class_ratio."
        refuse("expression", "n_samples", expected, n_samples, advice)
    return sizes


def draw_genes(
    n_features: int, module_share: float, n_modules: int, dropout: float, seed: int
) -> Genes:
    """Draw genes with the means, dispersions and zeros of TCGA, in random modules."""
    rng = stream(seed, "expression/genes")
    log_mean = np.interp(rng.random(n_features), np.linspace(0, 1, len(LOG_MEANS)), LOG_MEANS)
    trend = np.interp(log_mean, np.log(TREND_MEANS), np.log(TREND_DISPERSIONS))
    spread = np.interp(log_mean, np.log(TREND_MEANS), TREND_SPREADS)
    dispersion = np.exp(trend + spread * rng.standard_normal(n_features))
    # A log-normal factor of sd s and a gamma factor of dispersion phi together have dispersion
    # (1 + phi) * exp(s^2) - 1, so log(1 + dispersion) is the sum of their shares.
    log_dispersion = np.log1p(dispersion)
    signs = rng.choice([-1.0, 1.0], n_features)
    sizes = 1 / np.arange(1, n_modules + 1)
    module = rng.choice(n_modules, n_features, p=sizes / sizes.sum())

    mean, lost = np.exp(log_mean), np.zeros(n_features)
    if dropout > 0:
        m = dropout / (1 + mean / DROPOUT_HALF_MEAN)
        lost = rng.beta(DROPOUT_CONCENTRATION * m, DROPOUT_CONCENTRATION * (1 - m))
    return Genes(
        mean=mean,
        phi=np.expm1((1 - module_share) * log_dispersion),
        loading=signs * np.sqrt(module_share * log_dispersion),
        module=module,
        seen=1 - lost,
    )


def draw_markers(
    n_features: int, n_relevant: int, n_classes: int, fold_change: float, seed: int
) -> Markers:
    """Draw the same number of markers for each class, up or down."""
    rng = stream(seed, "expression/markers")
    genes = np.sort(rng.choice(n_features, n_relevant, replace=False)).astype(np.int64)
    of = rng.permutation(np.arange(n_relevant) % n_classes)
    effects = np.zeros((n_classes, n_relevant))
    sizes = rng.choice([-1.0, 1.0], n_relevant) * rng.uniform(0.5, 1.5, n_relevant)
    effects[of, np.arange(n_relevant)] = fold_change * sizes
    return Markers(genes, of, effects)


def draw_activity(n_classes: int, n_modules: int, seed: int) -> np.ndarray:
    """Draw the classes in which each program is on, bool (n_classes, n_modules).

    They are a run of 1 to n_classes - 1 neighbours in a random circle of classes.
    """
    rng = stream(seed, "expression/activity")
    start = rng.integers(n_classes, size=n_modules)
    length = rng.integers(1, n_classes, size=n_modules)
    circle = rng.permutation(n_classes)
    return (circle[:, None] - start) % n_classes < length


def draw_programs(
    genes: Genes, n_relevant: int, active: np.ndarray, between: float, cohort: Cohort, seed: int
) -> Markers:
    """Draw the relevant genes, and effects that put `between` of the variance between classes."""
    rng = stream(seed, "expression/programs")
    chosen = np.sort(rng.choice(len(genes.mean), n_relevant, replace=False)).astype(np.int64)
    program = genes.module[chosen]
    unit = active[:, program] * genes.loading[chosen] * rng.uniform(0.5, 1.5, n_relevant)
    square = cohort.shares @ unit**2
    spread = square - (cohort.shares @ unit) ** 2
    seen, noise = genes.seen[chosen], log_variance(genes, cohort.batches)[chosen]

    def excess(scale: float) -> float:
        """The share of variance between classes minus the wanted one, mean over all genes."""
        signal = (seen * scale * cohort.purity) ** 2 * spread
        mixing = seen * (scale * cohort.purity_spread) ** 2 * square
        share = signal / (signal + mixing + noise)
        return float(share.sum() / len(genes.mean) - between)

    if between == 0:
        return Markers(chosen, program, 0 * unit)
    if excess(MOST_SCALE) < 0:
        expected = f"at most {excess(MOST_SCALE) + between:.2g} with these parameters"
        advice = "Lower it or purity_spread, or raise module_share."
        refuse("expression", "between", expected, between, advice)
    return Markers(chosen, program, brentq(excess, 0, MOST_SCALE) * unit)


def log_variance(genes: Genes, batches: Batches | None) -> np.ndarray:
    """Return the variance of each gene's log count within a class, (n_features,).

    The sum of its module, its gamma factor, its batch and Poisson noise, where it is not dropped
    out, and the variance of dropping out.
    """
    batch = 0.0 if batches is None else batches.shifts.var()
    present = genes.loading**2 + polygamma(1, 1 / genes.phi) + 1 / genes.mean + batch
    return genes.seen * (present + (1 - genes.seen) * np.log1p(genes.mean) ** 2)


def keep_means(genes: Genes, markers: Markers, cohort: Cohort) -> Genes:
    """Lower the means of relevant genes so that means over all classes stay the same."""
    mean = genes.mean.copy()
    mean[markers.genes] /= cohort.shares @ np.exp(cohort.purity * markers.effects)
    return replace(genes, mean=mean)


def draw_batches(
    n_samples: int, n_features: int, n_batches: int, batch_spread: float, seed: int
) -> Batches | None:
    """Draw batches of equal size in random order, or None if there is one."""
    if n_batches == 1:
        return None
    rng = stream(seed, "expression/batches")
    of = rng.permutation(np.arange(n_samples, dtype=np.int64) % n_batches)
    return Batches(of, batch_spread * rng.standard_normal((n_batches, n_features)))


def draw_samples(
    sizes: np.ndarray,
    purity: float,
    purity_spread: float,
    depth_spread: float,
    n_modules: int,
    seed: int,
) -> Samples:
    """Draw the samples in random order, with mean depth 1."""
    rng = stream(seed, "expression/samples")
    n_samples = int(sizes.sum())
    y = rng.permutation(np.repeat(np.arange(len(sizes), dtype=np.int64), sizes))
    log_depth = depth_spread * rng.standard_normal(n_samples) - depth_spread**2 / 2
    factors = rng.standard_normal((n_samples, n_modules))
    share = np.full(n_samples, purity)
    if purity_spread > 0:
        concentration = purity * (1 - purity) / purity_spread**2 - 1
        share = rng.beta(purity * concentration, (1 - purity) * concentration, n_samples)
    return Samples(y, np.exp(log_depth), share, factors)


def draw_counts(
    genes: Genes, markers: Markers, samples: Samples, seed: int, batches: Batches | None = None
) -> np.ndarray:
    """Draw the counts, float32 (n_samples, n_features), exact up to 2^24.

    No matrix product, because its rounding depends on the machine.
    """
    rng = stream(seed, "expression/counts")
    log_base = np.log(genes.mean * genes.phi) - genes.loading**2 / 2
    shape = 1 / genes.phi
    drops_out = bool((genes.seen < 1).any())
    X = np.empty((len(samples.y), len(genes.mean)), dtype=np.float32)
    for start in range(0, len(X), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        rate = np.take(samples.factors[rows], genes.module, axis=1)  # (rows, n_features)
        rate *= genes.loading
        rate += log_base
        rate[:, markers.genes] += samples.purity[rows, None] * markers.effects[samples.y[rows]]
        if batches is not None:
            rate += batches.shifts[batches.of[rows]]
        np.exp(rate, out=rate)
        rate *= samples.depth[rows, None]
        rate *= rng.standard_gamma(np.broadcast_to(shape, rate.shape))
        X[rows] = rng.poisson(rate)
        if drops_out:
            X[rows] *= rng.random(rate.shape, dtype=np.float32) < genes.seen
    return X


def _choose(classes_by: str, given: dict[str, float | None]) -> dict[str, float]:
    """Check the settings of a model of classes and fill in its defaults."""
    if classes_by not in DEFAULTS:
        refuse("expression", "classes_by", '"markers" or "programs"', classes_by, "Choose one.")
    chosen = dict(DEFAULTS[classes_by])
    for name, value in given.items():
        if value is None:
            continue
        if name not in chosen:
            advice = f"The strength of its classes is {next(iter(chosen))!r}."
            refuse("expression", name, f"None with classes_by={classes_by!r}", value, advice)
        chosen[name] = value
    require_within("expression", 0, 0.99, module_share=chosen["module_share"])
    shares = {name: chosen[name] for name in ("relevant_fraction", "purity")}
    require_within("expression", 0, 1, **shares)
    _check_purity_spread(chosen["purity"], chosen["purity_spread"])
    if classes_by == "markers":
        require_within("expression", 0, 5, effect=chosen["effect"])
    else:
        most = MOST_BETWEEN * chosen["relevant_fraction"]
        require_within("expression", 0, most, between=chosen["between"])
    return chosen


def _check_purity_spread(purity: float, purity_spread: float) -> None:
    # The maximum standard deviation of a distribution on 0..1 with this mean.
    limit = float(np.sqrt(purity * (1 - purity)))
    if not (0 <= purity_spread < limit or purity_spread == 0):
        expected = f"0 <= purity_spread < {limit:.3g}, for purity={purity:g}"
        refuse("expression", "purity_spread", expected, purity_spread, "Lower it.")


if __name__ == "__main__":
    # By name, because a cell's key covers all imports of this file. The calibration makes no table.
    sys.exit(importlib.import_module("generators._calibration").main())
