"""Rows held out to choose settings by; a class with too few rows to share out is only learned from.

Every class is met in training, whatever its size, so that all settings predict all classes.
"""

import numpy as np
from sklearn.model_selection import StratifiedKFold, train_test_split

Parts = tuple[np.ndarray, np.ndarray]  # rows to learn from, rows to judge by


def held_out(codes: np.ndarray, share: float, seed: int) -> Parts:
    """One split, stratified; at least one row of each class that has two is held out.

    Args:
        codes: classes 0, 1, ..., (n_samples,).
        share: of the rows, to be held out.
    """
    common, rare = _by_size(codes, 2)
    n_classes = len(np.unique(codes[common]))
    if not n_classes:
        return rare, rare
    size = min(max(n_classes, round(share * len(common))), len(common) - n_classes)
    training, judged = train_test_split(
        common, test_size=size, stratify=codes[common], random_state=seed
    )
    return np.sort(np.concatenate([training, rare])), np.sort(judged)


def folds(codes: np.ndarray, n_folds: int, seed: int) -> list[Parts]:
    """So many splits, stratified, as far as the largest class has as many rows."""
    n_folds = min(n_folds, int(np.bincount(codes).max()))
    common, rare = _by_size(codes, n_folds)
    if n_folds < 2:
        return [(rare, rare)] if len(rare) else [(common, common)]
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    return [
        (np.sort(np.concatenate([common[training], rare])), common[judged])
        for training, judged in splitter.split(common, codes[common])
    ]


def _by_size(codes: np.ndarray, fewest: int) -> Parts:
    """Rows of classes with at least so many rows, and the others."""
    is_common = np.bincount(codes)[codes] >= fewest
    return np.flatnonzero(is_common), np.flatnonzero(~is_common)
