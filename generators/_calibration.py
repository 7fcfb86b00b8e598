"""Compare the simulated cohorts of `generators.expression` with real tables.

Classes by markers are compared with six TCGA types. Classes by programs are compared with four real
tables at their sizes, with the share of variance between classes and the share of genes that differ
as measured on them. No setting is chosen by the accuracy of a classifier.
"""

import argparse
import dataclasses
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from datasets.table import Table
from generators import expression

# Genes of the paper's table. The real one has 56,537, most of them hardly expressed.
N_GENES = 19_319
# Rows of the real table. Dispersion and zeros are compared on this number of rows: estimates of the
# dispersion of heavy tails grow with it.
N_ROWS = 364
# Ten small tables, because each has 150 test samples. No setting was chosen on these seeds.
SMALL: dict[str, Any] = {"n_samples": 600, "n_features": 2_000}
SMALL_SEEDS = range(10, 20)
# Smallest class of a real table in the comparison, so that five folds have a few of each.
LEAST_SAMPLES = 8
N_FOLDS = 5
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas")


def main() -> int:
    """Measure, print as JSON, write the file of --out, and return 0."""
    first_line = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m generators.expression", description=first_line)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--out", type=Path, help="write to this path with the suffix .json")
    arguments = parser.parse_args()
    text = json.dumps(calibrate(arguments.seeds), indent=1)
    Console().print_json(text)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.with_suffix(".json").write_text(text + "\n")
    return 0


def calibrate(seeds: list[int]) -> dict[str, Any]:
    """Return all measurements as JSON values: environment, real, simulated, small, programs."""
    from datasets import tcga

    numbers: dict[str, Any] = {"environment": environment()}
    numbers["real"] = measure(tcga.load(n_genes=N_GENES))
    numbers["simulated"] = {}
    for seed in seeds:
        start = time.perf_counter()
        table = expression.load(seed=seed)
        seconds = time.perf_counter() - start
        numbers["simulated"][str(seed)] = {"generation_seconds": seconds, **measure(table)}
    small = {seed: expression.load(**SMALL, seed=seed) for seed in SMALL_SEEDS}
    numbers["small"] = {str(seed): accuracies(table) for seed, table in small.items()}
    numbers["programs"] = {name: compare(table, seeds) for name, table in real_tables().items()}
    return numbers


def real_tables() -> dict[str, Table]:
    """Load the real tables that programs are compared with: organs, subtypes and sarcomas."""
    from datasets import microarray, tcga, tcga_colorectal

    return {
        "tcga": tcga.load(n_genes=N_GENES),
        "colorectal, CMS": tcga_colorectal.load(label="CMS", preparation="counts"),
        "colorectal, MSI": tcga_colorectal.load(label="MSI", preparation="counts"),
        "nakayama": without_small_classes(microarray.load(study="nakayama"), LEAST_SAMPLES),
    }


def without_small_classes(table: Table, least: int) -> Table:
    """Return the table without classes of fewer than `least` samples."""
    sizes = np.bincount(table.y)
    kept = np.flatnonzero(sizes >= least)
    rows = np.isin(table.y, kept)
    return dataclasses.replace(
        table,
        X=table.X[rows],
        y=np.searchsorted(kept, table.y[rows]),
        classes=[table.classes[c] for c in kept.tolist()],
    )


def compare(real: Table, seeds: list[int]) -> dict[str, Any]:
    """Measure a real table and simulated ones of its size, classes and differences."""
    measured = measure_classes(real)
    sizes = np.bincount(real.y)
    parameters: dict[str, Any] = {
        "n_samples": real.n_samples,
        "n_features": real.n_features,
        "n_classes": real.n_classes,
        "class_ratio": float(sizes.max() / sizes.min()),
        "between": measured["between"],
        "relevant_fraction": measured["genes_that_differ"],
    }
    simulated = {
        str(seed): measure_classes(expression.load(classes_by="programs", **parameters, seed=seed))
        for seed in seeds
    }
    return {"parameters": parameters, "real": measured, "simulated": simulated}


def measure_classes(table: Table) -> dict[str, Any]:
    """Measure how classes differ, and how well plain methods separate them."""
    X, y = np.asarray(table.X), table.y
    logs = levelled_logs(X)
    shares = shares_between(logs, y)
    return {
        "between": float(shares.mean()),
        "between_quantiles": np.quantile(shares, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist(),
        "genes_that_differ": fraction_that_differs(logs, y),
        "zero_fraction": float(np.mean(X == 0)),
        "components": component_shares(logs),
        "components_within": component_shares(residuals(X, y)),
        **fold_accuracies(logs, y),
    }


def shares_between(logs: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the share of variance between classes of each gene that varies.

    An estimate by moments (omega squared): without a difference its mean is 0.
    """
    logs = logs[:, logs.std(axis=0) > 0]
    n, n_classes = len(y), len(np.unique(y))
    total = n * logs.var(axis=0)
    within = sum((y == c).sum() * logs[y == c].var(axis=0) for c in np.unique(y))
    mean_square = within / (n - n_classes)
    between = (total - within - (n_classes - 1) * mean_square) / n
    return between / (between + mean_square)


def fraction_that_differs(logs: np.ndarray, y: np.ndarray) -> float:
    """Return Storey's estimate of the share of genes with other means in some classes.

    Of genes without a difference, half have an F-test with p > 0.5.
    """
    from sklearn.feature_selection import f_classif

    p = f_classif(logs[:, logs.std(axis=0) > 0], y)[1]
    return float(np.clip(1 - 2 * np.mean(p > 0.5), 0, 1))


def fold_accuracies(logs: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Score plain methods by stratified cross-validation: accuracy and balanced accuracy."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    models = {
        "centroid": NearestCentroid(),
        "neighbour": KNeighborsClassifier(1, algorithm="brute"),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300)),
    }
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    scores = {}
    for name, model in models.items():
        predicted = cross_val_predict(model, logs, y, cv=folds)
        scores[f"{name}_accuracy"] = float(np.mean(predicted == y))
        scores[f"{name}_balanced_accuracy"] = float(balanced_accuracy_score(y, predicted))
    return scores


def measure(table: Table) -> dict[str, Any]:
    X, y = np.asarray(table.X)[:N_ROWS], table.y[:N_ROWS]
    return {
        "shape": list(table.X.shape),
        "class_sizes": np.bincount(table.y).tolist(),
        "zero_fraction": float(np.mean(X == 0)),
        "depth_log_sd": float(np.std(np.log(X.sum(axis=1, dtype=np.float64)))),
        "deciles": deciles(X, y),
        "components": component_shares(residuals(X, y)),
        **accuracies(table),
    }


def dispersions(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and within-class dispersion of each gene, both (n_features,).

    Both are at the average depth. By moments: count = depth * (mean + noise) has the variance
    mean * E[1 / depth] + phi * mean^2 after division by depth. Both sides are summed over classes.
    """
    depth = X.sum(axis=1, dtype=np.float64)
    depth /= np.exp(np.log(depth).mean())
    levelled = X / depth[:, None]
    excess, squares = np.zeros((2, X.shape[1]))
    for c in np.unique(y):
        rows = y == c
        mean = levelled[rows].mean(axis=0)
        poisson = mean * np.mean(1 / depth[rows])
        excess += (rows.sum() - 1) * (levelled[rows].var(axis=0, ddof=1) - poisson)
        squares += (rows.sum() - 1) * mean**2
    phi = np.divide(excess, squares, out=np.zeros_like(excess), where=squares > 0)
    return levelled.mean(axis=0), phi


def deciles(X: np.ndarray, y: np.ndarray) -> list[dict[str, float]]:
    """Return median mean, dispersion, zeros and noise of each tenth of the genes."""
    mean, phi = dispersions(X, y)
    log_sd = residuals(X, y).std(axis=0)
    return [
        {
            "median_mean": float(np.median(mean[genes])),
            "dispersion_16": float(np.quantile(phi[genes], 0.16)),
            "dispersion_50": float(np.quantile(phi[genes], 0.5)),
            "dispersion_84": float(np.quantile(phi[genes], 0.84)),
            "zero_fraction": float(np.mean(X[:, genes] == 0)),
            "log1p_sd": float(np.median(log_sd[genes])),
        }
        for genes in np.array_split(np.argsort(mean, kind="stable"), 10)
    ]


def levelled_logs(X: np.ndarray) -> np.ndarray:
    """Return log(1 + count at average depth), of the shape of X."""
    depth = X.sum(axis=1, dtype=np.float64)
    return np.log1p(X / (depth / np.exp(np.log(depth).mean()))[:, None])


def residuals(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return log(1 + count at average depth) minus its class mean, of the shape of X."""
    logs = levelled_logs(X)
    for c in np.unique(y):
        logs[y == c] -= logs[y == c].mean(axis=0)
    return logs


def component_shares(values: np.ndarray) -> dict[str, float]:
    """Return the share of variance that the first components of standardised columns explain."""
    spread = values.std(axis=0)
    noise = values[:, spread > 0] - values[:, spread > 0].mean(axis=0)
    noise /= spread[spread > 0]
    eigenvalues = np.linalg.eigvalsh(noise @ noise.T)[::-1]
    shares = np.cumsum(eigenvalues / eigenvalues.sum())
    return {str(k): float(shares[k - 1]) for k in (1, 5, 20, 50)}


def accuracies(table: Table) -> dict[str, float]:
    """Score logistic regression and 3 nearest neighbours on a stratified quarter.

    Features are log(1 + count), standardised on the training rows for logistic regression. C =
    0.01: at C = 1 scikit-learn's default tolerance stops lbfgs too early (0.93, not 0.97).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import train_test_split
    from sklearn.neighbors import KNeighborsClassifier

    rows = np.arange(table.n_samples)
    train, test = train_test_split(rows, test_size=0.25, stratify=table.y, random_state=0)
    logs = np.log1p(table.X)
    Z_train, Z_test, y_train, y_test = logs[train], logs[test], table.y[train], table.y[test]
    del logs
    neighbours = KNeighborsClassifier(3, algorithm="brute").fit(Z_train, y_train).predict(Z_test)

    mean, sd = Z_train.mean(axis=0), Z_train.std(axis=0)
    sd[sd == 0] = 1
    for Z in (Z_train, Z_test):
        Z -= mean
        Z /= sd
    start = time.perf_counter()
    model = LogisticRegression(C=0.01, tol=1e-4, max_iter=300).fit(Z_train, y_train)
    seconds = time.perf_counter() - start
    return {
        "logistic_accuracy": float(model.score(Z_test, y_test)),
        "logistic_iterations": int(np.max(model.n_iter_)),
        "logistic_seconds": seconds,
        "neighbours_accuracy": float(np.mean(neighbours == y_test)),
        "neighbours_balanced_accuracy": float(balanced_accuracy_score(y_test, neighbours)),
    }


def environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_cores": os.cpu_count(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
