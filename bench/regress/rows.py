"""The rows of a check: a workload and its sizes, each some milliseconds, at most 100 of them."""

from typing import Any

Sizes = tuple[str, dict[str, Any]]  # a function in bench/asv/workloads.py, and its parameters

ROWS: dict[str, Sizes] = {
    "normalise_standard": ("normalise", {"scale": "standard", "n_samples": 100}),
    "normalise_minmax": ("normalise", {"scale": "minmax", "log": False, "n_samples": 100}),
    "convert": ("convert", {"n_samples": 100}),
    "fold": ("fold", {}),
    "fold_random": ("fold", {"layout": "random", "n_samples": 50}),
    "unfold": ("unfold", {"n_samples": 50}),
    "learn_layout": ("learn_layout", {"n_features": 16}),
    "screen": ("screen", {"side": 20}),
    "train_patch": ("train", {"backbone": "patch", "gated": True}),
    "train_cnn_small": ("train", {"backbone": "cnn_small", "n_samples": 32}),
    "predict": ("predict", {}),
    "saliency": ("attribute", {"method": "saliency", "backbone": "patch"}),
    "store_append": ("store_append", {}),
    "store_read": ("store_read", {}),
    "report_tables": ("report_tables", {"n_records": 1}),
    "import_cli": ("import_cli", {}),
}

# Too slow for a clock that alternates: only their figures are compared.
EXACT_ROWS: dict[str, Sizes] = {
    "train_resnet18": ("train", {"backbone": "resnet18", "n_samples": 4}),
    "train_vit": ("train", {"backbone": "vit", "n_samples": 8}),
    "integrated_gradients": (
        "attribute",
        {"method": "integrated_gradients", "backbone": "patch", "n_samples": 8},
    ),
}

# Nothing of ours: when it moves between base and head, the machine moved.
CONTROL = "control"
CONTROL_WORKLOAD: Sizes = ("control", {})
