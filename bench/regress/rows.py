"""The rows of a check: a workload and its sizes, each a few milliseconds to a few tens of them."""

from typing import Any

# Nothing of ours: when it moves between base and head, the machine moved.
CONTROL = "control"

# row -> (workload in bench/asv/workloads.py, its parameters)
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "normalise_standard": ("normalise", {"scale": "standard"}),
    "normalise_minmax": ("normalise", {"scale": "minmax", "log": False}),
    "convert": ("convert", {}),
    "fold": ("fold", {}),
    "fold_random": ("fold", {"layout": "random", "n_samples": 200}),
    "unfold": ("unfold", {"n_samples": 200}),
    "learn_layout": ("learn_layout", {"n_features": 64}),
    "screen": ("screen", {"side": 20}),
    "train_patch": ("train", {"backbone": "patch", "gated": True}),
    "train_cnn_small": ("train", {"backbone": "cnn_small", "n_samples": 32}),
    "train_resnet18": ("train", {"backbone": "resnet18", "n_samples": 2}),
    "predict": ("predict", {}),
    "saliency": ("attribute", {"method": "saliency", "backbone": "patch"}),
    "integrated_gradients": (
        "attribute",
        {"method": "integrated_gradients", "backbone": "patch", "n_samples": 4},
    ),
    "store_append": ("store_append", {}),
    "store_read": ("store_read", {}),
    "report_tables": ("report_tables", {"n_records": 8}),
    "import_cli": ("import_cli", {}),
}
CONTROL_WORKLOAD: tuple[str, dict[str, Any]] = ("control", {})
