"""Features that a network's Gumbel-Sigmoid mask lets through (GFSNetwork).

Wydmański & Śmieja, "GFSNetwork", arXiv 2503.13304 (2025), with the authors' package. A mask with a
chance for each feature and a network of two hidden layers are trained together. A penalty on the
mask closes features without use. The score of a feature is log(1 + exp(logit of the mask)). The
package's `scores_` count how often the mask opens, which is always for all good features. Log loss
on held-out training rows chooses how many features logistic regression uses.

Differences: batches of 32 rows, where the package's default is one row. With 150 x 2,000 values, 19
of 20 planted features were in the first 20 with batches of 32 (9 s), and 10 with batches of one and
half the epochs (65 s). The other settings are the package's defaults.
The package gives each class the share of the class at the other end as its weight, which balances
two classes only. Classes are passed in the order of their sizes, so that rarer ones weigh more.
Limits: pairs without effects of their own are hard for the mask. With the choice of the number of
features, one core took 10 s for 150 x 2,000 values and 30 s for 100 x 20,000.
"""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from baselines._ranking import RankedClassifier, Ranking, RankingParams
from datasets.table import Table
from deepmapper.images.scaling import FeatureScaler

REQUIRES = {"gfs_network": "gfs-network"}
MAX_ROWS, MAX_VALUES = 10_000, 30_000_000


@dataclass(frozen=True)
class Params(RankingParams):
    """Settings of the training.

    Attributes
    ----------
    epochs : int
        Number of epochs.
    batch_size : int
        Rows a batch.
    balance : float
        Weight of the penalty on the mask.
    """

    epochs: int = 200
    batch_size: int = 32
    balance: float = 1.0


def supports(table: Table) -> str | None:
    """Refuse tables that take too long."""
    n, p = table.n_samples, table.n_features
    if n > MAX_ROWS:
        return f"trains 200 epochs in small batches: at most {MAX_ROWS:,} rows, got {n:,}"
    if n * p > MAX_VALUES:
        return f"at most {MAX_VALUES // n:,} features with {n:,} rows, got {p:,}"
    return None


def build(params: Params, *, device: str, seed: int) -> Pipeline:
    """Return the pipeline: standardise, rank, keep the best."""
    model = GumbelNetwork(params, seed, device)
    return Pipeline([("convert", FeatureScaler()), ("model", model)])


class GumbelNetwork(RankedClassifier):
    """Logistic regression on the `n_best_` features of largest logit of the mask."""

    def __init__(self, params: Params, random_state: int = 0, device: str = "cpu") -> None:
        super().__init__(params, random_state)
        self.device = device

    def rank(self, X: np.ndarray, codes: np.ndarray) -> Ranking:
        from gfs_network import GFSNetwork

        params = self.params
        by_size = np.argsort(np.argsort(np.bincount(codes), kind="stable"))
        with torch.random.fork_rng():
            torch.manual_seed(self.random_state)
            search = GFSNetwork(
                batch_size=params.batch_size,
                epochs=params.epochs,
                balance=params.balance,
                device=self.device,
            ).fit(X, by_size[codes])
        with torch.no_grad():
            logits = search.network.fc1(search.network.emb).cpu().double().numpy()[0]
        return Ranking(np.logaddexp(0, logits))
