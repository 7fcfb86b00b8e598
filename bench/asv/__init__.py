"""Benchmarks for asv, and the workloads that all benchmarks share.

    asv run --quick --launch-method forkserver --environment existing:same
    asv run v0.1..main; asv publish                  # history, and a site of it

asv imports this folder as a package `asv` of the checkout, for every commit that it measures. So
files in this folder use relative imports, and import the engine inside functions.
"""

from importlib import import_module

LOADED_ONCE = (
    "torch._dynamo",
    "torch.profiler",
    "torchvision",
    "captum.attr",
    "pandas",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "scipy.sparse.linalg",
    "scipy.stats",
)


def before_forks() -> None:
    """Load the libraries of the workloads."""
    for name in LOADED_ONCE:
        import_module(name)
