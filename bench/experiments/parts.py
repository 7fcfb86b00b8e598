"""What each part of the mixture is worth, on training rows alone.

The default estimator is fitted on the training rows of a fold. It judges networks, plain models and
mixtures with a part left out by log loss on those of these rows that they were not fitted on. Test
rows are never predicted, so parts and settings may be chosen by this experiment.
"""

from typing import Any

from bench.experiments.runner import Case, experiment, load_choice
from bench.run.split import split_rows
from bench.run.worker import impute
from bench.spec import load_spec
from deepmapper import DeepMapperClassifier

FOLDS = (100, 101)  # of other repeats than those that are reported
OTHERS = ("(shuffled)", "counts)", "speakers)", "(official)", "CMS")  # forms of the same tables


def _cases() -> list[Case]:
    spec, _ = load_spec("wide")
    return [
        Case(f"{choice.label.replace(' ', '_')}_fold_{seed}", {"table": choice.label, "seed": seed})
        for grid in spec.grids()
        for choice in grid.datasets
        if not choice.label.endswith(OTHERS)
        for seed in FOLDS
    ]


@experiment("no part can be left out without a higher log loss of the mixture", _cases())
def parts(table: str, seed: int) -> dict[str, Any]:
    spec, _ = load_spec("wide")
    loaded = load_choice("wide", table)
    rows, others = split_rows(loaded, seed, spec.test_fraction, spec.split)
    X, y = loaded.X[rows], loaded.y[rows]
    if loaded.n_missing:
        X, _ = impute(X, loaded.X[others])
    model = DeepMapperClassifier(device="cpu", random_state=seed).fit(X, y)
    losses = model.mixture_.held_out.set_index("part")["loss"]
    measured = {"n": len(y), "passes": len(model.classifier_.passes_)}
    return measured | {str(part): float(loss) for part, loss in losses.items()}
