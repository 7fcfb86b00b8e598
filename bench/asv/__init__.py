"""Benchmarks for asv, and the workloads that all benchmarks share.

    asv run --quick --launch-method forkserver --environment existing:same
    asv run v0.1..main; asv publish                  # history, and a site of it

asv imports this folder as a package called `asv`, from the checkout as it stands, whichever commit
it measures: so files here import one another with a dot, and the engine inside functions.
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
    """Load what every workload needs."""
    for name in LOADED_ONCE:
        import_module(name)
