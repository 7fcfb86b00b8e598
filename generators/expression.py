"""RNA-seq read counts of a simulated cohort, as large as the paper's.

6,216 samples, 19,319 genes, ten classes (largest : smallest = 2.2), no official split. MIT. Counts
are negative binomial. For sample i of class c and gene g of module m:

    rate  = depth_i * mean_g * exp(purity_i * effect_cg + loading_g * factor_im - loading_g^2 / 2)
    count ~ Poisson(rate * Gamma(1 / phi_g) * phi_g), or 0 if the gene dropped out

Constants are measured on `datasets.tcga` (`python -m generators.expression` compares both). Trap:
class effects are weak and spread over a fifth of the genes, unlike in TCGA. Linear methods add them
up. Nearest neighbours do not see them.
"""

import importlib
import sys
from dataclasses import dataclass

import numpy as np

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
    effect: float = 0.39,
    relevant_fraction: float = 0.2,
    purity: float = 0.6,
    purity_spread: float = 0.2,
    class_ratio: float = 2.2,
    depth_spread: float = 0.31,
    module_share: float = 0.5,
    n_modules: int = 50,
    dropout: float = 0.13,
    seed: int = 0,
) -> Table:
    """Draw raw read counts.

    Each relevant gene marks one class, in which its logarithm is shifted up or down. The table of a
    seed is the same to the bit for any number of threads, but may differ between processors that
    round logarithms differently.

    Parameters
    ----------
    n_samples, n_features, n_classes, seed : int
        Numbers of samples, genes and classes, seed of all draws.
    effect : float
        Mean absolute natural log fold change of a marking gene in a sample of purity 1, at the
        default size (see `scaled_effect`). With the default, chosen on seeds from 100 on, logistic
        regression has an accuracy of 0.965 to 0.985, as published for TCGA.
    relevant_fraction : float
        Share of genes that mark a class.
    purity, purity_spread : float
        Mean and standard deviation of the share of tumour cells in a sample (beta distribution), a
        factor of its class effects. Both are assumed. Samples of low purity are hard to classify.
    class_ratio : float
        Size of the largest class over that of the smallest. Sizes fall evenly in logarithm. The
        classes of the paper's code have 1,093 to 501 samples.
    depth_spread : float
        Standard deviation of the natural logarithm of library size. TCGA: 0.31.
    module_share : float
        Share of a gene's log-scale dispersion that is common to its module of co-expressed genes.
    n_modules : int
        Number of modules. Module k has a share of genes proportional to 1 / k. With 0.5 and 50 the
        first principal components within classes explain two thirds of their share in TCGA.
    dropout : float
        Mean chance that a hardly expressed gene has no count in a sample, half of it at a mean
        count of 100. Fitted to the zeros that dispersion does not explain.

    Returns
    -------
    Table
        X (n_samples, n_features), float32. `relevant` has the genes that mark a class, and
        `notes["marks"]` the class of each.
    """
    require_whole("expression", 2, n_classes=n_classes)
    require_whole("expression", n_classes, n_features=n_features)
    require_whole("expression", 1, n_modules=n_modules, n_samples=n_samples)
    require_whole("expression", 0, seed=seed)
    shares = {"relevant_fraction": relevant_fraction, "purity": purity, "dropout": dropout}
    require_within("expression", 0, 1, **shares)
    require_within("expression", 0, 0.99, module_share=module_share)
    require_within("expression", 0, 5, effect=effect, depth_spread=depth_spread)
    require_within("expression", 1, 1e6, class_ratio=class_ratio)
    _check_purity_spread(purity, purity_spread)
    sizes = class_sizes(n_samples, n_classes, class_ratio)
    fold_change = scaled_effect(effect, n_samples, n_features, n_classes)
    n_relevant = max(n_classes, round(relevant_fraction * n_features))
    genes = draw_genes(n_features, module_share, n_modules, dropout, seed)
    markers = draw_markers(n_features, n_relevant, n_classes, fold_change, seed)
    samples = draw_samples(sizes, purity, purity_spread, depth_spread, n_modules, seed)
    return Table(
        name="expression",
        X=draw_counts(genes, markers, samples, seed),
        y=samples.y,
        classes=[f"type_{k}" for k in range(n_classes)],
        features=[f"gene_{g}" for g in range(n_features)],
        source=SOURCE,
        relevant=markers.genes,
        notes={"marks": markers.of.tolist(), "fold_change": fold_change},
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
    of: the class that each gene marks.
    effects: natural logarithm of the fold change at purity 1, 0 in all other classes.
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


def draw_counts(genes: Genes, markers: Markers, samples: Samples, seed: int) -> np.ndarray:
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
        np.exp(rate, out=rate)
        rate *= samples.depth[rows, None]
        rate *= rng.standard_gamma(np.broadcast_to(shape, rate.shape))
        X[rows] = rng.poisson(rate)
        if drops_out:
            X[rows] *= rng.random(rate.shape, dtype=np.float32) < genes.seen
    return X


def _check_purity_spread(purity: float, purity_spread: float) -> None:
    # The maximum standard deviation of a distribution on 0..1 with this mean.
    limit = float(np.sqrt(purity * (1 - purity)))
    if not (0 <= purity_spread < limit or purity_spread == 0):
        expected = f"0 <= purity_spread < {limit:.3g}, for purity={purity:g}"
        refuse("expression", "purity_spread", expected, purity_spread, "Lower it.")


if __name__ == "__main__":
    # By name, because a cell's key covers all imports of this file. The calibration makes no table.
    sys.exit(importlib.import_module("generators._calibration").main())
