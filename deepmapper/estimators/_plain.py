"""Plain models beside the networks, each with predictions of rows that it was not fitted on.

- `Linear`: ridge regression on the classes. With n rows and p features it is solved between rows
  and costs n^2 p, not p^3 (Saunders, Gammerman & Vovk 1998). Leaving one row out has a closed form.
- `Ranks`: the same on normal scores (van der Waerden 1952) of the ranks within each row. They do
  not change with the units of a row: with another laboratory, scanner or sequencing depth.
- `Forest`: a random forest (Breiman 2001), with out-of-bag predictions.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.stats import norm

__all__ = ["Forest", "Linear", "Ranks", "calibrate", "fit_forest", "fit_linear", "fit_ranks"]

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # of the ridge, in mean eigenvalues
N_TREES = 200
LARGEST_SCORE = 5.0  # standard deviations, as of the images
BLOCK_VALUES = 1 << 22  # ranked at a time
LOG_FACTORS = (-3.0, 7.0)  # range of the logarithm of a factor of calibration
SMALLEST = 1e-6  # probability of a forest


@dataclass(frozen=True)
class Linear:
    """Logits of rows of values.

    Parameters
    ----------
    coef : float32 array of shape (n_values, n_classes)
    intercept : float32 array of shape (n_classes,)
    """

    coef: np.ndarray
    intercept: np.ndarray

    def logits(self, values: torch.Tensor) -> torch.Tensor:
        """Logits of rows (n, n_values): (n, n_classes), on their device."""
        coef, intercept = (torch.from_numpy(a).to(values) for a in (self.coef, self.intercept))
        return values @ coef + intercept


@dataclass(frozen=True)
class Ranks:
    """A linear model of the normal scores of the ranks within each row.

    Parameters
    ----------
    mean, factor : float32 array of shape (n_features,)
        A score s becomes (s - mean) * factor.
    linear : Linear
    """

    mean: np.ndarray
    factor: np.ndarray
    linear: Linear

    def logits(self, values: torch.Tensor) -> torch.Tensor:
        """Logits of rows of a table (n, n_features): (n, n_classes)."""
        return self.linear.logits(self.scale(row_scores(values)))

    def scale(self, scores: torch.Tensor) -> torch.Tensor:
        mean, factor = (torch.from_numpy(a).to(scores) for a in (self.mean, self.factor))
        return scores.sub_(mean).mul_(factor).clamp_(-LARGEST_SCORE, LARGEST_SCORE)


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


def fit_linear(
    values: torch.Tensor, codes: torch.Tensor, n_classes: int, weights: torch.Tensor
) -> tuple[Linear, torch.Tensor]:
    """Fit a ridge regression. The penalty has the lowest loss on rows left out.

    Parameters
    ----------
    values : float32 tensor of shape (n, n_values)
        Features of about the same spread.
    codes : int tensor of shape (n,)
    n_classes : int
    weights : float64 tensor of shape (n,)
        Of the rows in the loss, above 0.

    Returns
    -------
    tuple of Linear and float64 tensor of shape (n, n_classes)
        The model, and the logits of each row without it.
    """
    weights = weights / weights.mean()
    targets = torch.nn.functional.one_hot(codes, n_classes).double()
    products = (values @ values.T).double()
    scale = float(products.diagonal().mean().clamp(min=1e-12))
    root = weights.sqrt()[:, None]
    # The inverse of (products + penalty / weights), for every penalty by one decomposition.
    eigenvalues, vectors = torch.linalg.eigh(root * products * root.T)
    of_targets, of_ones = vectors.T @ (root * targets), vectors.T @ root
    best: tuple[float, torch.Tensor, torch.Tensor, torch.Tensor] | None = None
    for penalty in PENALTIES:
        inverse = 1 / (eigenvalues.clamp(min=0) + penalty * scale)[:, None]
        ones = root * (vectors @ (inverse * of_ones))
        intercept = (ones * targets).sum(0) / ones.sum()
        duals = root * (vectors @ (inverse * of_targets)) - ones * intercept
        # The diagonal of the inverse with the intercept, which has no penalty (Cawley 2006).
        diagonal = root.square() * (vectors.square() @ inverse) - ones.square() / ones.sum()
        held_out = targets - duals / diagonal
        _, loss = calibrate(held_out, codes, weights)
        if best is None or loss < best[0]:
            best = loss, duals, intercept, held_out
    assert best is not None
    _, duals, intercept, held_out = best
    coef = values.T @ duals.float()
    return Linear(coef.cpu().numpy(), intercept.float().cpu().numpy()), held_out


def fit_ranks(
    values: torch.Tensor, codes: torch.Tensor, n_classes: int, weights: torch.Tensor
) -> tuple[Ranks, torch.Tensor]:
    """Fit a ridge regression on the ranks within each row. As `fit_linear`."""
    scores = row_scores(values)
    mean, sd = scores.mean(0), scores.std(0, correction=0)
    factor = torch.where(sd > SMALLEST, 1 / sd, 0.0)
    unfitted = Ranks(mean.cpu().numpy(), factor.cpu().numpy(), Linear(np.empty(0), np.empty(0)))
    linear, held_out = fit_linear(unfitted.scale(scores), codes, n_classes, weights)
    return Ranks(unfitted.mean, unfitted.factor, linear), held_out


def fit_forest(
    values: torch.Tensor, codes: torch.Tensor, n_classes: int, weights: torch.Tensor, seed: int
) -> tuple[Forest, torch.Tensor]:
    """Fit a random forest. As `fit_linear`, with out-of-bag predictions.

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


def calibrate(
    logits: torch.Tensor, codes: torch.Tensor, weights: torch.Tensor
) -> tuple[float, float]:
    """Find the factor of logits (n, n_classes) with the lowest log loss. Return both."""
    logits = logits.double()
    rows = torch.arange(len(codes), device=logits.device)
    weights = weights / weights.sum()

    def loss(log_factor: float) -> float:
        log_p = (math.exp(log_factor) * logits).log_softmax(1)
        return -float((weights * log_p[rows, codes]).sum())

    best = minimize_scalar(loss, bounds=LOG_FACTORS, method="bounded", options={"xatol": 0.02})
    return math.exp(best.x), float(best.fun)


def row_scores(values: torch.Tensor) -> torch.Tensor:
    """Normal scores of the ranks within each row, (n, p). Equal values share their mean rank.

    Examples
    --------
    >>> row_scores(torch.tensor([[10.0, 30.0, 20.0], [0.0, 0.0, 5.0]])).numpy().round(2)
    array([[-0.67,  0.67,  0.  ],
           [-0.32, -0.32,  0.67]], dtype=float32)
    """
    n, p = values.shape
    # Ranks from 1, doubled because mean ranks may be halves.
    table = torch.from_numpy(norm.ppf(np.arange(2 * p + 1) / (2 * p + 2))).float()
    table = table.to(values.device)
    position = torch.arange(p, device=values.device)
    scores = torch.empty((n, p), device=values.device)
    step = max(1, BLOCK_VALUES // max(p, 1))
    for start in range(0, n, step):
        ordered, order = values[start : start + step].sort(1)
        differs = ordered[:, 1:] != ordered[:, :-1]
        edge = torch.ones((len(ordered), 1), dtype=torch.bool, device=values.device)
        # The first and the last position of each group of equal values.
        first = torch.where(torch.cat([edge, differs], 1), position, 0).cummax(1).values
        last = torch.where(torch.cat([differs, edge], 1), position, p).flip(1).cummin(1).values
        doubled = first + last.flip(1) + 2
        scores[start : start + step].scatter_(1, order, table[doubled])
    return scores


def _log_shares(shares: torch.Tensor, class_weight: np.ndarray) -> torch.Tensor:
    """Logarithms of shares of classes (n, n_classes), each times the weight of its class."""
    return (shares * torch.from_numpy(class_weight)).clamp(min=SMALLEST).log()
