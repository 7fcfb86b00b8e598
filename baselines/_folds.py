"""Held-out rows to choose settings with.

Every class is in the training rows, even the smallest. A class with too few rows to split is in the
training rows only.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

WORSE_IN_A_ROW = 3  # losses above the minimum after which a search ends
Parts = tuple[np.ndarray, np.ndarray]  # training rows, held-out rows


def held_out(codes: np.ndarray, share: float, seed: int) -> Parts:
    """Split once, stratified. Each class with two rows has one or more held out.

    `codes` are classes 0, 1, ..., (n_samples,). `share` is the share of rows to hold out.
    """
    common, rare = _by_size(codes, 2)
    n_classes = len(np.unique(codes[common]))
    if not n_classes:
        return rare, rare
    size = min(max(n_classes, round(share * len(common))), len(common) - n_classes)
    training, held = train_test_split(
        common, test_size=size, stratify=codes[common], random_state=seed
    )
    return np.sort(np.concatenate([training, rare])), np.sort(held)


def folds(codes: np.ndarray, n_folds: int, seed: int) -> list[Parts]:
    """Return stratified folds, no more than the largest class has rows."""
    n_folds = min(n_folds, int(np.bincount(codes).max()))
    common, rare = _by_size(codes, n_folds)
    if n_folds < 2:
        return [(rare, rare)] if len(rare) else [(common, common)]
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return [
        (np.sort(np.concatenate([common[training], rare])), common[held])
        for training, held in splitter.split(common, codes[common])
    ]


def _by_size(codes: np.ndarray, minimum: int) -> Parts:
    is_common = np.bincount(codes)[codes] >= minimum
    return np.flatnonzero(is_common), np.flatnonzero(~is_common)


def is_past_minimum(losses: Sequence[float]) -> bool:
    """Return whether the loss has been above its minimum three times in a row.

    The loss over a penalty may have more than one dip.
    """
    return len(losses) - 1 - int(np.argmin(losses)) >= WORSE_IN_A_ROW
