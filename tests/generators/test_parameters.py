"""Wrong parameters of every generator are named, with the expected value."""

import importlib

import pytest

from datasets.table import TableError

SMALL: dict[str, dict[str, object]] = {
    "expression": {"n_samples": 100, "n_features": 50},
    "hypercube": {"n_samples": 320, "n_features": 40},
    "needles": {"n_samples": 40, "n_features": 10},
    "nihs": {"n_samples": 40},
    "ringnorm": {},
    "shuffled_mnist": {},
}
WRONG: dict[str, list[tuple[dict[str, object], str]]] = {
    "expression": [
        ({"n_classes": 1}, "'n_classes'.*>= 2.*got 1"),
        ({"n_features": 9}, "'n_features'.*>= 10.*got 9"),
        ({"n_samples": 20}, "'n_samples'.*two samples in each of 10.*got 20"),
        ({"relevant_fraction": 1.5}, r"'relevant_fraction'.*0\.\.1.*got 1.5"),
        ({"effect": float("nan")}, r"'effect'.*0\.\.5.*got nan"),
        ({"module_share": 1.0}, r"'module_share'.*0\.\.0.99.*got 1.0"),
        ({"n_modules": 0}, "'n_modules'.*>= 1.*got 0"),
        ({"dropout": -0.1}, r"'dropout'.*0\.\.1.*got -0.1"),
        ({"purity_spread": 0.5}, "'purity_spread'.*0.49.*got 0.5"),
        ({"class_ratio": 0.5}, "'class_ratio'.*got 0.5"),
        ({"depth_spread": -1.0}, "'depth_spread'.*got -1.0"),
        ({"seed": -1}, "'seed'.*>= 0.*got -1"),
    ],
    "hypercube": [
        ({"n_features": 19}, "'n_features'.*n_redundant = 20.*got 19"),
        ({"n_informative": 13}, "'n_informative'.*at most 12.*got 13"),
        ({"n_informative": 0}, "'n_informative'.*>= 1.*got 0"),
        ({"n_redundant": -1}, "'n_redundant'.*>= 0.*got -1"),
        ({"n_samples": 3}, "'n_samples'.*>= 4.*got 3"),
        ({"flip": 1.5}, r"'flip'.*0\.\.1.*got 1.5"),
        ({"noise": float("nan")}, r"'noise'.*0\.\.1.*got nan"),
        ({"class_sep": -1.0}, "'class_sep'.*got -1"),
        ({"seed": -1}, "'seed'.*>= 0.*got -1"),
    ],
    "needles": [
        ({"kind": "spiral"}, "'kind'.*shift.*ring\\+xor\\+sum.*'spiral'"),
        ({"noise": "cauchy"}, "'noise'.*uniform.*'cauchy'"),
        ({"kind": "ranges", "noise": "t"}, "'noise'.*uniform.*got 't'"),
        ({"n_samples": 3}, "'n_samples'.*>= 4.*got 3"),
        ({"n_needles": 0}, "'n_needles'.*>= 1.*got 0"),
        ({"n_needles": 11}, "'n_needles'.*at most n_features=10.*got 11"),
        ({"kind": "xor", "n_needles": 3}, "'n_needles'.*multiple of 2.*got 3"),
        ({"kind": "correlation", "n_needles": 3}, "'n_needles'.*multiple of 2.*got 3"),
        ({"kind": "ring+xor"}, "'n_needles'.*multiple of 4.*got 2"),
        ({"kind": "ring+xor+sum", "n_needles": 4}, "'n_needles'.*multiple of 6.*got 4"),
        ({"effect": 0}, "'effect'.*above 0.*got 0"),
        ({"effect": float("nan")}, "'effect'.*above 0.*got nan"),
        ({"effect": 51}, "'effect'.*at most 50.*got 51"),
        ({"kind": "variance", "effect": 1}, "'effect'.*other than 1.*got 1"),
        ({"kind": "variance", "effect": -2}, "'effect'.*0.01..100.*got -2"),
        ({"kind": "correlation", "effect": 1.1}, "'effect'.*at most 1.*got 1.1"),
        ({"kind": "ranges", "effect": 2}, "'effect'.*Table 1.*got 2"),
        ({"kind": "xor", "effect": 1}, "'effect'.*None.*got 1"),
        ({"class_balance": 0}, "'class_balance'.*between 0 and 1.*got 0"),
        ({"class_balance": float("nan")}, "'class_balance'.*got nan"),
        ({"class_balance": 0.02}, "'class_balance'.*at least two.*got 0.02"),
        ({"class_balance": None}, "'class_balance'.*a number.*None.*published"),
        ({"kind": "sum", "class_balance": None}, "'class_balance'.*a number.*None.*published"),
        ({"kind": "xor", "class_balance": None, "n_needles": 4}, "'n_needles'.*2 with.*got 4"),
        ({"kind": "ring", "class_balance": 1.5}, "'class_balance'.*got 1.5"),
        ({"flip": 0.5}, "'flip'.*0.5 excluded.*got 0.5"),
        ({"seed": -1}, "'seed'.*>= 0.*got -1"),
    ],
    "nihs": [
        ({"n_features": 17_998}, "'n_features'.*17999.*17998"),
        ({"n_needles": 3}, "'n_needles'.*2.*got 3"),
        ({"needles": "border"}, "'needles'.*random.*'border'"),
        ({"needles": "random", "n_features": 4, "n_needles": 5}, "'n_needles'.*at most.*got 5"),
        ({"n_samples": 3}, "'n_samples'.*>= 4.*got 3"),
        ({"n_needles": 0}, "'n_needles'.*>= 1.*got 0"),
        ({"seed": -1}, "'seed'.*>= 0.*got -1"),
        ({"ranges": ()}, "'ranges'.*one or more"),
        ({"ranges": ((0.2, 0.2, 0.3, 0.4),)}, "'ranges'.*low < high"),
        ({"ranges": ((0.1, 0.2, 0.3),)}, "'ranges'"),
        ({"ranges": ((0.1, float("nan"), 0.3, 0.4),)}, "'ranges'"),
    ],
    "ringnorm": [
        ({"n_samples": 3}, "'n_samples'.*>= 4.*got 3"),
        ({"n_features": 0}, "'n_features'.*>= 1.*got 0"),
        ({"n_noise": -1}, "'n_noise'.*>= 0.*got -1"),
        ({"seed": -1}, "'seed'.*>= 0.*got -1"),
    ],
    "shuffled_mnist": [
        ({"base": "fashion"}, "'base'.*digits.*'fashion'"),
        ({"base": "digits", "n_train": 10}, "'n_train'.*None.*got 10"),
        ({"base": "digits", "n_test": 10}, "'n_test'.*None.*got 10"),
        ({"base": "digits", "seed": -1}, "'seed'.*>= 0.*got -1"),
        ({"base": "digits", "permutation_seed": -2}, "'permutation_seed'.*>= 0.*got -2"),
    ],
}
CASES = [(name, *case) for name, cases in WRONG.items() for case in cases]


@pytest.mark.parametrize(("name", "wrong", "message"), CASES)
def test_wrong_parameters_are_named(name: str, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(TableError, match=f"{name}.*{message}"):
        importlib.import_module(f"generators.{name}").load(**{**SMALL[name], **wrong})
