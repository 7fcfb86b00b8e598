"""`pytest --deepmapper-contract NAME`: the contract suite, run on a method from anywhere.

NAME is a method that an installed package adds through the entry point `deepmapper.baselines`, such
a package, or any importable module with `Params` and `build`. From the checkout:

    .venv/bin/python -m pytest --deepmapper-contract my_package

The suite is `tests/contract/test_methods.py`; without the option it runs over every method that
exists. `tests/conftest.py` loads this plug-in.
"""

import importlib.util
from pathlib import Path

import pytest

from bench.catalog import ROOT, Entry, entries, module_entry

SUITE = ROOT / "tests" / "contract" / "test_methods.py"
OPTION = "--deepmapper-contract"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("deepmapper").addoption(
        OPTION, metavar="NAME", help="run the contract suite on a method, a package or a module"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Where a method is named, run the suite alone; UsageError where it is not to be found."""
    if name := config.getoption(OPTION):
        methods_of(name)
        config.args[:] = [str(SUITE)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test of the suite the methods in question, one after the other."""
    if metafunc.definition.path != SUITE or "method" not in metafunc.fixturenames:
        return
    name = metafunc.config.getoption(OPTION)
    found = methods_of(name) if name else entries("methods")
    available = [found[key] for key in sorted(found) if name or found[key].unavailable is None]
    metafunc.parametrize("method", available, ids=lambda method: method.name, scope="module")


def methods_of(name: str) -> dict[str, Entry]:
    """The methods that `name` means, by their names.

    Raises:
        pytest.UsageError: there are none.
    """
    known = entries("methods")
    if name in known:
        return {name: known[name]}
    found = {k: e for k, e in known.items() if e.module == name or e.module.startswith(f"{name}.")}
    if found:
        return found
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
