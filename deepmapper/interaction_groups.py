"""Features that interact, gathered inside one patch of the patch network each."""

import math

import numpy as np

from deepmapper.images.layout import Layout


def joined(pairs: np.ndarray, strength: np.ndarray, largest: int) -> list[list[int]]:
    """Groups of features that pairs join, strongest pair first, at most `largest` in each.

    A pair that would make a group too large joins nothing.

    >>> joined(np.array([[0, 1], [2, 3], [1, 4], [3, 4]]), np.array([9.0, 8.0, 7.0, 6.0]), 3)
    [[0, 1, 4], [2, 3]]

    Args:
        pairs: int (m, 2).
        strength: (m,); pairs of strength 0 or less, or NaN, join nothing.
    """
    group_of: dict[int, list[int]] = {}
    groups: dict[int, list[int]] = {}  # by identity, in the order of their first pair
    ranked = np.argsort(-strength, kind="stable")
    for a, b in pairs[ranked[strength[ranked] > 0]].tolist():
        into, other = group_of.get(a, [a]), group_of.get(b, [b])
        if a == b or into is other or len(into) + len(other) > largest:
            continue
        if id(into) not in groups and id(other) in groups:
            into, other = other, into
        into.extend(other)
        groups.pop(id(other), None)
        groups[id(into)] = into
        group_of.update(dict.fromkeys(into, into))
    return list(groups.values())


def gather(base: Layout, groups: list[list[int]], strength: np.ndarray, patch: int) -> np.ndarray:
    """The pixel of each feature, int64 (n_features,), each group inside one patch where it fits.

    Groups come first to last; each takes the patch nearest to its marginally strongest member that
    still has room, and what was there takes the places of its members: all else stays.

    Args:
        groups: lists of features, no feature twice, each list no longer than patch * patch.
        strength: (n_features,).
        patch: the side of a patch in pixels; the last ones of a row or column may be smaller.
    """
    board = _Board(base, patch)
    for group in groups:
        members = sorted(group, key=lambda feature: (-strength[feature], feature))
        board.move_in(members)
    return board.pixel_of[: base.n_features]


class _Board:
    """Features and empty pixels as a permutation of the image, cut into patches."""

    def __init__(self, base: Layout, patch: int) -> None:
        height, width = base.shape
        self.width = width
        taken = base.pixel_of_feature
        empty = np.setdiff1d(np.arange(height * width), taken)
        self.pixel_of = np.concatenate([taken, empty])
        self.holder = np.argsort(self.pixel_of)
        rows, columns = np.divmod(np.arange(height * width), width)
        breadth = math.ceil(width / patch)
        self.patch_of = rows // patch * breadth + columns // patch  # of each pixel
        self.settled = np.zeros(height * width, dtype=bool)
        self.room = np.bincount(self.patch_of)  # pixels of each patch that no group has
        self.centres = np.stack(np.divmod(np.arange(len(self.room)), breadth), axis=1)
        order = np.argsort(self.patch_of, kind="stable")
        self.pixels = np.split(order, np.cumsum(self.room)[:-1])

    def move_in(self, members: list[int]) -> None:
        """Settle the members in one patch, close together; where none has room, leave them."""
        wide_enough = np.flatnonzero(self.room >= len(members))
        if len(wide_enough) == 0:
            return
        home = self.centres[self.patch_of[self.pixel_of[members[0]]]]
        apart = np.square(self.centres[wide_enough] - home).sum(1)
        chosen = int(wide_enough[np.argmin(apart)])
        inside = [m for m in members if self.patch_of[self.pixel_of[m]] == chosen]
        self.settled[self.pixel_of[inside]] = True
        kept = set(inside)
        free = [int(pixel) for pixel in self.pixels[chosen] if not self.settled[pixel]]
        anchor = int(self.pixel_of[inside[0]]) if inside else free[0]
        nearest = iter(sorted(free, key=lambda pixel: self._steps(pixel, anchor)))
        for member in members:
            if member not in kept:
                self._swap(member, next(nearest))
        self.room[chosen] -= len(members)

    def _steps(self, a: int, b: int) -> int:
        """The Chebyshev distance of two pixels."""
        (row_a, column_a), (row_b, column_b) = divmod(a, self.width), divmod(b, self.width)
        return max(abs(row_a - row_b), abs(column_a - column_b))

    def _swap(self, member: int, pixel: int) -> None:
        evicted, left = self.holder[pixel], self.pixel_of[member]
        self.pixel_of[member], self.pixel_of[evicted] = pixel, left
        self.holder[pixel], self.holder[left] = member, evicted
        self.settled[pixel] = True
