"""LightGBM or XGBoost: which boosts the trees of `boosted_trees`, at 56,537 features.

Chen and Guestrin, "XGBoost", KDD 2016; Ke et al., "LightGBM", NeurIPS 2017. The same settings, the
same rows held out to stop, all features a tree or 512 of them; development seeds.
"""

import resource
import time
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from baselines.boosted_trees import BoostedTrees, Params
from bench.catalog import table_entry
from bench.engine.records import Case
from bench.engine.statistics import of_seeds, table
from bench.errors import BenchError

TARGET = "the library of `boosted_trees` chosen by measurement at 56,537 features"
TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "tcga": ("tcga", {}),
    "nihs": ("nihs", {"n_samples": 2000, "n_features": 18_225, "needles": "random"}),
    "expression": ("expression", {"n_samples": 600, "n_features": 2000, "n_classes": 6}),
}
LIBRARIES = ("lightgbm", "xgboost")
COLUMNS = {"all": None, "512": 512}


def cases() -> list[Case]:
    return [
        Case(
            f"{name}_{columns}_{library}_seed_{seed}",
            {"name": name, "columns": columns, "library": library, "seed": seed},
        )
        for seed in (100, 101, 102)
        for name in TABLES
        for columns in COLUMNS
        for library in LIBRARIES
    ]


def measure(name: str, columns: str, library: str, seed: int) -> dict[str, Any]:
    """Seconds and memory of one fit to three quarters of the rows; loss on the others."""
    source, parameters = TABLES[name]
    load = table_entry(source).load().load
    data = load(**parameters) if source == "tcga" else load(seed=seed, **parameters)
    X, X_test, y, y_test = train_test_split(
        data.X, data.y, test_size=0.25, stratify=data.y, random_state=seed
    )
    params = Params(n_columns=(COLUMNS[columns],))
    fit = {"lightgbm": _lightgbm, "xgboost": _xgboost}[library]
    fit(X[:, :50], y, params, seed)  # imports, and threads that start
    before, start = _peak_mib(), time.perf_counter()
    model = fit(X, y, params, seed)
    seconds = time.perf_counter() - start
    probabilities = model.predict_proba(X_test)
    return {
        "seconds": seconds,
        "peak_mib": _peak_mib() - before,
        "log_loss": float(log_loss(y_test, probabilities)),
        "balanced_accuracy": float(balanced_accuracy_score(y_test, probabilities.argmax(1))),
        "n_features": X.shape[1],
        "n_rows": len(X),
    }


def _lightgbm(X: np.ndarray, y: np.ndarray, params: Params, seed: int) -> Any:
    return BoostedTrees(params, seed).fit(X, y)


def _xgboost(X: np.ndarray, y: np.ndarray, params: Params, seed: int) -> Any:
    try:
        from xgboost import XGBClassifier
    except ImportError as error:
        message = "the experiment boosting needs xgboost: pip install xgboost"
        raise BenchError(message) from error
    fitted, held_out = train_test_split(
        np.arange(len(X)),
        test_size=max(len(np.unique(y)), round(params.validation_fraction * len(X))),
        stratify=y,
        random_state=seed,
    )
    number = params.n_columns[0] or X.shape[1]
    model = XGBClassifier(
        n_estimators=params.max_rounds,
        early_stopping_rounds=params.patience,
        learning_rate=params.learning_rate,
        max_depth=params.max_depth,
        subsample=params.row_fraction,
        colsample_bytree=min(1.0, number / X.shape[1]),
        max_bin=params.n_bins,
        tree_method="hist",
        random_state=seed,
    )
    return model.fit(X[fitted], y[fitted], eval_set=[(X[held_out], y[held_out])], verbose=False)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for name in TABLES:
        for columns in COLUMNS:
            for library in LIBRARIES:
                place = {"name": name, "columns": columns, "library": library}
                some = [r["measured"] for r in records if place.items() <= r["parameters"].items()]
                if some:
                    row = [
                        of_seeds([m[k] for m in some], digits)
                        for k, digits in (("seconds", 1), ("log_loss", 3), ("peak_mib", 0))
                    ]
                    rows.append(
                        [f"{name}, {some[0]['n_features']:,} features", columns, library, *row]
                    )
    head = ["table", "features a tree", "library", "seconds", "log loss", "peak MiB"]
    return table(head, rows)
