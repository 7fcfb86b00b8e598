"""LightGBM or XGBoost: which boosts the trees of `boosted_trees`, at 56,537 features.

Chen and Guestrin, "XGBoost", KDD 2016; Ke et al., "LightGBM", NeurIPS 2017. The same depth, rate,
bins, shares of rows and features, no penalty, the same number of rows held out to stop; each
library's own rule for the smallest leaf (5 rows; a hessian of 1). LightGBM fits all rows once more,
as `boosted_trees` does. Development seeds.
"""

from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split

from bench.catalog import entry, table_entry
from bench.errors import BenchError
from bench.experiments.runner import Case, measured, of_seeds, table
from bench.run.phases import Phases

TARGET = "the library of `boosted_trees` chosen by measurement at 56,537 features"
TABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "tcga": ("tcga", {}),
    "nihs": ("nihs", {"n_samples": 2000, "n_features": 18_225, "needles": "random"}),
    "expression": ("expression", {"n_samples": 600, "n_features": 2000, "n_classes": 6}),
}
LIBRARIES = ("lightgbm", "xgboost")
COLUMNS = {"all": None, "4096": 4096, "512": 512}
DEPTH = 4


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
    params = (
        entry("methods", "boosted_trees")
        .load()
        .Params(n_columns=(COLUMNS[columns],), depths=(DEPTH,))
    )
    fit = {"lightgbm": _lightgbm, "xgboost": _xgboost}[library]
    fit(X[:, :50], y, params, seed)  # imports, and threads that start
    phases = Phases("cpu")
    with phases("fit"):
        model = fit(X, y, params, seed)
    probabilities = model.predict_proba(X_test)
    return {
        "seconds": phases.records["fit"]["seconds"],
        "peak_mib": phases.records["fit"]["peak_host_mib"],
        "log_loss": float(log_loss(y_test, probabilities)),
        "balanced_accuracy": float(balanced_accuracy_score(y_test, probabilities.argmax(1))),
        "n_features": X.shape[1],
        "n_rows": len(X),
    }


def _lightgbm(X: np.ndarray, y: np.ndarray, params: Any, seed: int) -> Any:
    return entry("methods", "boosted_trees").load().BoostedTrees(params, seed).fit(X, y)


def _xgboost(X: np.ndarray, y: np.ndarray, params: Any, seed: int) -> Any:
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
        max_depth=DEPTH,
        reg_lambda=0.0,
        subsample=params.row_fraction,
        colsample_bytree=min(1.0, number / X.shape[1]),
        max_bin=params.n_bins,
        tree_method="hist",
        random_state=seed,
    )
    return model.fit(X[fitted], y[fitted], eval_set=[(X[held_out], y[held_out])], verbose=False)


def summary(records: list[dict[str, Any]]) -> str:
    rows = []
    for name in TABLES:
        for columns in COLUMNS:
            for library in LIBRARIES:
                some = measured(records, name=name, columns=columns, library=library)
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
