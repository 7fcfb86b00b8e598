"""`pytest --deepmapper-contract NAME`: the contract suite, run on a method from anywhere.

NAME is a method that an installed package adds through the entry point `deepmapper.baselines`, such
a package, or any importable module with `Params` and `build`. From the checkout:

    .venv/bin/python -m pytest --deepmapper-contract my_package

The suite is `tests/contract/test_methods.py`; without the option it runs over every method that
exists. `tests/conftest.py` loads this plug-in.
"""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from bench.catalog import ROOT, Entry, entries, module_entry

SUITE = ROOT / "tests" / "contract" / "test_methods.py"
OPTION = "--deepmapper-contract"
# Tested with the slow tests: ResNet-18, and a compilation that aggmap has as well.
SLOW = ("deepmapper_notebook", "deepinsight_umap")
# Further ways to train of our methods, also with the slow tests.
VARIANTS: dict[str, dict[str, object]] = {
    "cnn1d (TC1)": {"architecture": "tc1", "epochs": 30, "learning_rate": 0.1},
    "deepinsight_pca (norm-2)": {"image_size": "equal", "scaling": "norm2"},
    "deepinsight_pca (DeepFeature)": {"image_size": "equal", "attribution": "deepfeature"},
    "igtd (min-max)": {"scaling": "minmax"},
    "logistic (L1)": {"penalty": "l1"},
    "logistic (elastic net)": {"penalty": "elasticnet"},
    "mlp (max-norm)": {"recipe": "maxnorm", "hidden": 64},
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("deepmapper").addoption(
        OPTION, metavar="NAME", help="run the contract suite on a method, a package or a module"
    )


def pytest_configure(config: pytest.Config) -> None:
    """If a method is named, run the suite alone; UsageError if it is unknown."""
    if name := config.getoption(OPTION):
        methods_of(name)
        config.args[:] = [str(SUITE)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise every test of the suite by the methods."""
    if metafunc.definition.path != SUITE or "method" not in metafunc.fixturenames:
        return
    name = metafunc.config.getoption(OPTION)
    methods = methods_of(name) if name else entries("methods") | _variants()
    available = [
        pytest.param(
            methods[key], id=key, marks=[pytest.mark.slow] if key in VARIANTS or key in SLOW else []
        )
        for key in sorted(methods)
        if name or methods[key].unavailable is None
    ]
    metafunc.parametrize("method", available, scope="module")


def _variants() -> dict[str, Entry]:
    known = entries("methods")
    return {label: replace(known[label.split(" (")[0]], name=label) for label in VARIANTS}


def methods_of(name: str) -> dict[str, Entry]:
    """The methods that `name` stands for, by their names.

    Raises:
        pytest.UsageError: no method of that name.
    """
    known = entries("methods")
    if name in known:
        return {name: known[name]}
    added = {k: e for k, e in known.items() if e.module == name or e.module.startswith(f"{name}.")}
    if added:
        return added
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        message = (
            f"{OPTION} {name}: expected a method, a package that adds methods through the entry "
            f"point deepmapper.baselines, or an importable module; found none. Install the package "
            f"into this environment. Methods known here: {', '.join(sorted(known))}"
        )
        raise pytest.UsageError(message)
    return {name: module_entry(name, Path(spec.origin))}
