"""The rows of `bench regress` and asv: workloads of some milliseconds."""

from typing import Any

Sizes = tuple[str, dict[str, Any]]  # module.function of this folder, and its parameters

ROWS: dict[str, Sizes] = {
    "normalise_standard": ("workloads.normalise", {"scale": "standard", "n_samples": 100}),
    "normalise_minmax": (
        "workloads.normalise",
        {"scale": "minmax", "log": False, "n_samples": 100},
    ),
    "convert": ("workloads.convert", {"n_samples": 100}),
    "fold": ("workloads.fold", {}),
    "fold_random": ("workloads.fold", {"layout": "random", "n_samples": 50}),
    "unfold": ("workloads.unfold", {"n_samples": 50}),
    "learn_layout": ("workloads.learn_layout", {"n_features": 16}),
    "screen": ("workloads.screen", {"side": 20}),
    "train_patch": ("workloads.train", {"backbone": "patch", "gated": True}),
    "train_cnn_small": ("workloads.train", {"backbone": "cnn_small", "n_samples": 32}),
    "predict": ("workloads.predict", {}),
    "saliency": ("workloads.attribute", {"method": "saliency", "backbone": "patch"}),
    "store_append": ("harness.store_append", {}),
    "store_read": ("harness.store_read", {}),
    "report_tables": ("harness.report_tables", {"n_records": 1}),
    "import_cli": ("harness.import_cli", {}),
}

# Too slow for alternating chunks: only their figures are compared.
EXACT_ROWS: dict[str, Sizes] = {
    "train_resnet18": ("workloads.train", {"backbone": "resnet18", "n_samples": 4}),
    "train_vit": ("workloads.train", {"backbone": "vit", "n_samples": 8}),
    "integrated_gradients": (
        "workloads.attribute",
        {"method": "integrated_gradients", "backbone": "patch", "n_samples": 8},
    ),
}

# No code of this project: a difference between base and head is due to the machine.
CONTROL = "control"
CONTROL_WORKLOAD: Sizes = ("workloads.control", {})
