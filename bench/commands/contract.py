"""Run the contract suite on any method: `pytest --deepmapper-contract NAME`.

NAME is a method, a package that adds methods through the entry point `deepmapper.baselines`, or an
importable module with `Params` and `build`. The suite is `tests/contract/test_methods.py`.
Without the option it tests every available method.
`tests/conftest.py` loads this plug-in.
"""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from bench.catalog import ROOT, Entry, entries, module_entry

SUITE = ROOT / "tests" / "contract" / "test_methods.py"
OPTION = "--deepmapper-contract"
# Marked slow: ResNet-18, large images, and what other methods cover as well.
SLOW = (
    *("aggmap", "bie", "cpc_r", "deepinsight_kpca", "deepinsight_umap", "deepmapper_notebook"),
    *("deepmapper_randomised", "fotomics", "igtd", "lassonet", "lstm", "pydeepmapper", "refined"),
    *("supertml", "tinto", "transformer"),
)
# Variants of methods, marked slow. Two published networks are tested in tests/baselines alone.
# A fit of DeepInsight's takes minutes. REFINED's own budget has two batches an epoch on the 150
# rows of this suite, which leaves it at chance. With 300 rows it learns.
VARIANTS: dict[str, dict[str, object]] = {
    "aggmap (published)": {"recipe": "published", "recipe_epochs": 100},
    "aggmap (5 channels)": {"channels": 5, "backbone": "cnn_small", "gate": False, "epochs": 30},
    "cnn1d (TC1)": {"architecture": "tc1", "epochs": 30, "learning_rate": 0.1},
    "deepinsight_pca (norm-2)": {"image_size": "equal", "scaling": "norm2"},
    "deepinsight_pca (DeepFeature)": {"image_size": "equal", "attribution": "deepfeature"},
    "igtd (min-max)": {"scaling": "minmax"},
    "igtd (published)": {"recipe": "published", "recipe_epochs": 20},
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
    """Run only the suite if a method is named. UsageError for an unknown name."""
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the methods that the suite did not test."""
    names = {report.nodeid.split("::")[0] for report in terminalreporter.getreports("passed")}
    if str(SUITE.relative_to(ROOT)) in names and not terminalreporter.config.getoption(OPTION):
        for method in entries("methods").values():
            if method.unavailable:
                line = f"contract not tested: {method.name} {method.unavailable}"
                terminalreporter.write_line(line)


def _variants() -> dict[str, Entry]:
    methods = entries("methods")
    return {label: replace(methods[label.split(" (")[0]], name=label) for label in VARIANTS}


def methods_of(name: str) -> dict[str, Entry]:
    """Find methods by the name of a method, package or module, or raise UsageError."""
    methods = entries("methods")
    if name in methods:
        return {name: methods[name]}
    added = {
        k: e for k, e in methods.items() if e.module == name or e.module.startswith(f"{name}.")
    }
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
            f"into this environment. Methods known here: {', '.join(sorted(methods))}"
        )
        raise pytest.UsageError(message)
    return {name: module_entry(name, Path(spec.origin))}
