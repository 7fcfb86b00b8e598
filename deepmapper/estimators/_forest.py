"""A random forest (Breiman 2001) as arrays, with out-of-bag predictions."""

from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["Forest", "fit_forest"]

N_TREES = 200
SMALLEST = 1e-6  # probability


@dataclass(frozen=True)
class Forest:
    """The trees of a forest, one after the other. A leaf is its own child.

    Parameters
    ----------
    columns : int array of shape (n_columns,)
        The values that the trees use.
    roots : int array of shape (n_trees,)
    feature, left, right : int array of shape (n_nodes,)
    threshold : float64 array of shape (n_nodes,)
    share : float32 array of shape (n_nodes, n_classes)
        The share of each class among the training rows of a leaf.
    class_weight : array of shape (n_classes,)
    depth : int
    """

    columns: np.ndarray
    roots: np.ndarray
    feature: np.ndarray
    left: np.ndarray
    right: np.ndarray
    threshold: np.ndarray
    share: np.ndarray
    class_weight: np.ndarray
    depth: int

    def logits(self, values: torch.Tensor) -> torch.Tensor:
        """Logits of rows (n, n_values): (n, n_classes), on their device."""
        rows = values[:, torch.from_numpy(self.columns).to(values.device)].cpu().numpy()
        shares = torch.from_numpy(self.shares(rows))
        return _log_shares(shares, self.class_weight).to(values.device)

    def shares(self, rows: np.ndarray, uses: np.ndarray | None = None) -> np.ndarray:
        """The mean share of each class over the trees, (n, n_classes).

        `rows` (n, n_columns) has only the columns of the trees. `uses` (n, n_trees) tells which
        trees count for a row. Without a tree, the mean over all is used.
        """
        row = np.arange(len(rows))[:, None]
        node = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        for _ in range(self.depth):
            goes_left = rows[row, self.feature[node]] <= self.threshold[node]
            node = np.where(goes_left, self.left[node], self.right[node])
        if uses is None:
            return self.share[node].mean(1)
        uses = np.where(uses.any(1, keepdims=True), uses, True)
        return np.einsum("ntc,nt->nc", self.share[node], uses / uses.sum(1, keepdims=True))


def fit_forest(
    values: torch.Tensor, codes: torch.Tensor, n_classes: int, weights: torch.Tensor, seed: int
) -> tuple[Forest, torch.Tensor]:
    """Fit a random forest. As `_linear.fit_discriminant`, with out-of-bag predictions.

    Classes have the mean weight of their rows, and rows of a class have equal weights.
    """
    from sklearn.ensemble import RandomForestClassifier

    rows, labels = values.cpu().numpy(), codes.cpu().numpy()
    columns = np.flatnonzero((rows != rows[0]).any(0))
    columns = columns if len(columns) else np.arange(1)
    forest = RandomForestClassifier(N_TREES, n_jobs=torch.get_num_threads(), random_state=seed).fit(
        rows[:, columns], labels
    )
    n_rows = np.bincount(labels, minlength=n_classes)
    class_weight = np.bincount(labels, weights.cpu().numpy(), n_classes) / np.maximum(n_rows, 1)
    present = forest.classes_.astype(int)
    trees = [tree.tree_ for tree in forest.estimators_]
    sizes = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]]).astype(np.int32)
    own = np.arange(sum(sizes), dtype=np.int32)
    share = np.zeros((len(own), n_classes), dtype=np.float32)
    counts = np.concatenate([tree.value[:, 0] for tree in trees])
    share[:, present] = counts / counts.sum(1, keepdims=True)

    def children(side: str) -> np.ndarray:
        moved = [getattr(tree, side) + root for tree, root in zip(trees, roots, strict=True)]
        return np.where(is_leaf, own, np.concatenate(moved)).astype(np.int32)

    is_leaf = np.concatenate([tree.children_left for tree in trees]) < 0
    model = Forest(
        columns=columns,
        roots=roots,
        feature=np.where(is_leaf, 0, np.concatenate([t.feature for t in trees])).astype(np.int32),
        left=children("children_left"),
        right=children("children_right"),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        share=share,
        class_weight=class_weight,
        depth=max(tree.max_depth for tree in trees),
    )
    is_out = np.ones((len(labels), N_TREES), dtype=bool)
    for tree, in_bag in enumerate(forest.estimators_samples_):
        is_out[in_bag, tree] = False
    shares = model.shares(rows[:, columns], is_out)
    return model, _log_shares(torch.from_numpy(shares), class_weight).to(codes.device)


def _log_shares(shares: torch.Tensor, class_weight: np.ndarray) -> torch.Tensor:
    """Logarithms of shares of classes (n, n_classes), each times the weight of its class."""
    return (shares * torch.from_numpy(class_weight)).clamp(min=SMALLEST).log()
