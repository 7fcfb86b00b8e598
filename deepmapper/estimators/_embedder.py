"""`DeepMapperEmbedder`: the paper's self-supervised mode as a transformer.

Paper: Methods, self-supervised mode (the input is the target, the features that separate
observations), with a bottleneck layer. A map that moves rows towards their neighbours follows it.
"""

import math
import warnings
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from deepmapper.estimators._base import (
    COMMON_CONSTRAINTS,
    Float32Transformer,
    OnEpoch,
    ValidatedEstimator,
    check_table,
    latent,
    warn_of_other_units,
)
from deepmapper.estimators._neighbour_map import fit_neighbour_map
from deepmapper.estimators._separation import Separation
from deepmapper.images._rows import feature_names
from deepmapper.images.converter import ImageConverter, RowsOf
from deepmapper.images.layouts import Layout
from deepmapper.networks._autoencoder import Autoencoder, Reconstruction
from deepmapper.training.devices import resolve_device
from deepmapper.training.streams import seed_of, stream, stream_seed, torch_stream
from deepmapper.training.trainer import CONSTRAINTS, Epoch, TrainingSettings, train

BATCH_SIZE = 256  # images at a time outside training
FEWEST_HELD_OUT = 2
N_LATENT = 50  # width of the bottleneck in front of the map
START_BYTES = 512 << 20  # of training images that the principal components are computed from
# Parameters that are training settings, too.
TRAINING = ("max_epochs", "batch_size", "learning_rate", "weight_decay", "schedule")


class DeepMapperEmbedder(ClassNamePrefixFeaturesOutMixin, Float32Transformer, ValidatedEstimator):
    """Embed rows of a table without labels, and rank the features that separate them.

    Each feature becomes one pixel. An autoencoder learns to guess hidden features from the others
    through a bottleneck (`networks._autoencoder`). It starts at PCA. Its trained weights are kept
    only if they guess held-out rows better than the start. A map of the latent space then learns to
    put the nearest rows together, so that clusters become compact (`estimators._neighbour_map`).

    Parameters
    ----------
    n_components : int, default=32
        Number of columns of the embedding.
    n_neighbors : int or None, default=15
        Number of nearest rows that the map puts together. The bottleneck in front of it has 50
        units, or `n_components` if that is more. None: no map, the bottleneck is the embedding.
    layout : str, Layout or int array of shape (n_features,), default="natural"
        See `ImageConverter`.
    passes : int, default=1
        Number of networks, each with other rows held out. All of them score the features. The one
        with the best guesses embeds. About 1 / validation_fraction passes score every row.
    hidden : float, default=0.5
        Share of features hidden in training.
    max_epochs, batch_size, learning_rate, weight_decay, schedule
        See `deepmapper.training.trainer.TrainingSettings`. Default: 30, None, 5e-3, 1e-2,
        "one_cycle".
    log, scale : default="auto", "standard"
        See `FeatureScaler`.
    validation_fraction : float, default=0.2
        Share of rows that each pass holds out. 0: none.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
    random_state : int, RandomState or None, default=None
        Seed of layout, splits, weights, batch order and hidden features. None draws one.

    Attributes
    ----------
    attributions_ : DataFrame
        Columns feature, score, sd, rank, the best first. The score is the share of a feature's
        variance that the others explain through the bottleneck, on held-out rows. It is about 0 for
        noise. sd is its standard error over these rows.
    history_ : list of dict
        One per epoch and pass.
    passes_ : list of dict
        One per pass. `start_error` and `trained_error` are the mean squared errors of guesses on
        held-out rows before and after training (None without such rows). `kept` is "start" or
        "trained".
    network_ : Autoencoder
        The network in front of the map.
    map_ : NeighbourMap or None
    converter_, layout_ : ImageConverter, Layout
    seed_ : int

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> X = draw.normal(size=(200, 30)).astype("float32")
    >>> X[:, [4, 9, 17]] += 3 * draw.integers(0, 2, size=(200, 1))
    >>> model = DeepMapperEmbedder(n_components=2, max_epochs=5, random_state=0).fit(X)
    >>> sorted(model.attributions_.feature[:3])
    ['x17', 'x4', 'x9']
    >>> model.transform(X).shape
    (200, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **COMMON_CONSTRAINTS,
        **{name: CONSTRAINTS[name] for name in TRAINING},
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "hidden": [Interval(Real, 0, 1, closed="neither")],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        *,
        n_components: int = 32,
        n_neighbors: int | None = 15,
        layout: str | Layout | np.ndarray = "natural",
        passes: int = 1,
        hidden: float = 0.5,
        max_epochs: int = 30,
        batch_size: int | None = None,
        learning_rate: float = 5e-3,
        weight_decay: float = 1e-2,
        schedule: str = "one_cycle",
        log: bool | str = "auto",
        scale: str = "standard",
        validation_fraction: float = 0.2,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.layout = layout
        self.passes = passes
        self.hidden = hidden
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.log = log
        self.scale = scale
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: object = None, *, on_epoch: OnEpoch | None = None) -> Self:
        """Learn from a table.

        Parameters
        ----------
        X : array, CSR or DataFrame of shape (n_samples, n_features)
        y : ignored
        on_epoch : callable, default=None
            Called after each epoch with its row of the history.

        Returns
        -------
        self : DeepMapperEmbedder

        Raises
        ------
        DeepMapperError
            Names are unknown, parameters are out of range, or values are missing or infinite.
        ValueError
            Wrong shapes or fewer than two rows (scikit-learn's messages).
        """
        self._validate_params()
        device = resolve_device(self.device)
        X = check_table(self, X, reset=True, ensure_min_samples=2)
        self.seed_ = seed_of(self.random_state)
        self.converter_ = ImageConverter(
            self.layout,
            log=self.log,
            scale=self.scale,
            device=str(device),
            random_state=self.seed_,
        )
        images = _as_tensor(self.converter_.fit_transform(X))
        self.layout_ = self.converter_.layout_
        self._n_features_out = self.n_components
        self.history_: list[dict[str, Any]] = []
        self.passes_: list[dict[str, Any]] = []
        separation = Separation(self.layout_.shape)
        runs = [self._run_pass(i, images, separation, on_epoch) for i in range(self.passes)]
        self.network_ = min(runs, key=lambda run: run[1])[0]
        self.attributions_ = self._attributions(separation)
        self.map_ = None
        if self.n_neighbors is not None:
            latents = latent(self.network_, images, "bottleneck", BATCH_SIZE)
            self.map_ = fit_neighbour_map(latents, self.n_components, self.n_neighbors, self.seed_)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Embed rows.

        Parameters
        ----------
        X : array, CSR or DataFrame of shape (n_samples, n_features)

        Returns
        -------
        float32 array of shape (n_samples, n_components)
        """
        check_is_fitted(self)
        latents = latent(self.network_, self._images(X), "bottleneck", BATCH_SIZE)
        mapping = getattr(self, "map_", None)  # saved models that are older than the map have none
        return (latents if mapping is None else mapping(latents)).cpu().numpy()

    def latent(self, X: Any, layer: str = "bottleneck") -> np.ndarray:
        """Return the output of a layer of the network for rows X.

        Parameters
        ----------
        X : array, CSR or DataFrame of shape (n_samples, n_features)
        layer : str, default="bottleneck"
            A name of `deepmapper.estimators._base.layer_names(model.network_)`.

        Returns
        -------
        float32 array of shape (n_samples, ...)

        Raises
        ------
        DeepMapperError
            No layer has that name. The message gives the nearest.
        """
        check_is_fitted(self)
        return latent(self.network_, self._images(X), layer, BATCH_SIZE).cpu().numpy()

    def _run_pass(
        self, number: int, images: Any, separation: Separation, on_epoch: OnEpoch | None
    ) -> tuple[Autoencoder, float]:
        """Train one network and score its features. Return it and its held-out error."""
        training, held_out = (
            RowsOf(images, torch.from_numpy(rows).to(images.device))
            for rows in self._split(number, len(images))
        )
        images_to_score = held_out if len(held_out) else training
        with torch_stream(self.seed_, "initialisation", number):
            network = self._make_network(training)
        start = {name: value.clone() for name, value in network.state_dict().items()}
        start_scores = Separation(self.layout_.shape)
        start_error = start_scores.add(network, images_to_score, self._generator("hidden", number))
        self._train(number, network, training, held_out, on_epoch)
        trained_scores = Separation(self.layout_.shape)
        trained_error = trained_scores.add(
            network, images_to_score, self._generator("hidden", number)
        )
        is_better = trained_error < start_error or not len(held_out)
        if not is_better:
            network.load_state_dict(start)
        separation.join(trained_scores if is_better else start_scores)
        self.passes_.append(
            {
                "pass": number,
                "start_error": start_error if len(held_out) else None,
                "trained_error": trained_error if len(held_out) else None,
                "kept": "trained" if is_better else "start",
            }
        )
        return network, trained_error if is_better else start_error

    def _make_network(self, training: Any) -> Autoencoder:
        """A network at the principal components of (a sample of) the training images."""
        pixels = torch.zeros(math.prod(self.layout_.shape), dtype=torch.bool)
        pixels[torch.from_numpy(self.layout_.pixel_of_feature)] = True
        n_latent = self.n_components
        if self.n_neighbors is not None:
            n_latent = max(n_latent, min(N_LATENT, int(pixels.sum())))
        network = Autoencoder(
            self.layout_.shape,
            n_latent,
            pixels.view(self.layout_.shape),
            hidden=self.hidden,
        ).to(training.device)
        n_rows = max(2 * n_latent, START_BYTES // (4 * len(pixels)))
        rows = torch.randperm(len(training))[:n_rows].sort().values
        sample = training[rows.to(training.device)] if len(rows) < len(training) else training[:]
        network.start_at_principal_components(sample)
        return network

    def _train(
        self,
        number: int,
        network: Autoencoder,
        training: Any,
        held_out: Any,
        on_epoch: OnEpoch | None,
    ) -> None:
        settings = TrainingSettings(
            **{name: getattr(self, name) for name in TRAINING},
            target_loss=None,
            precision="float32",  # the rounding of bfloat16 exceeds the unexplained variance
        )
        objective = Reconstruction(network.pixels[0, 0], _variance(network, training))

        def after_epoch(epoch: Epoch) -> None:
            row = {"pass": number, **epoch.row(objective.score_name)}
            self.history_.append(row)
            if on_epoch is not None:
                on_epoch(row)

        train(
            network,
            (training, training),
            settings,
            objective=objective,
            generator=self._generator("batches", number),
            validation=(held_out, held_out) if len(held_out) else None,
            on_epoch=after_epoch,
        )
        network.eval()
        network.hide.generator = None  # a generator cannot be pickled

    def _split(self, number: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows held out. Passes hold out one part after the other."""
        order = stream(self.seed_, "validation").permutation(n)
        n_held_out = math.ceil(self.validation_fraction * n)
        if n_held_out and not FEWEST_HELD_OUT <= n_held_out <= n - 2:
            warnings.warn(
                f"{n} rows are too few to hold out {self.validation_fraction:.0%} of them: the "
                "scores of features come from rows that were trained on, and are too high",
                stacklevel=4,
            )
            n_held_out = 0
        order = np.roll(order, -number * n_held_out)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def _attributions(self, separation: Separation) -> pd.DataFrame:
        score, error = (self.layout_.unfold(pixels) for pixels in separation.scores())
        order = np.argsort(-score, kind="stable")
        return pd.DataFrame(
            {
                "feature": feature_names(self)[order],
                "score": score[order],
                "sd": error[order],
                "rank": np.arange(1, len(order) + 1),
            }
        )

    def _images(self, X: Any) -> Any:
        X = check_table(self, X, reset=False)
        warn_of_other_units(X, self.converter_.scaler_)
        return _as_tensor(self.converter_.transform(X))

    def _generator(self, *names: str | int) -> torch.Generator:
        return torch.Generator().manual_seed(stream_seed(self.seed_, *names) % 2**63)


def _as_tensor(images: Any) -> Any:
    """Images as a tensor. A table that streams stays as it is."""
    return torch.from_numpy(images) if isinstance(images, np.ndarray) else images


def _variance(network: Autoencoder, images: Any) -> float:
    """Mean squared deviation of a pixel with a feature from the network's center."""
    total = 0.0
    for start in range(0, len(images), BATCH_SIZE):
        difference = (images[start : start + BATCH_SIZE] - network.center) * network.pixels
        total += float(difference.square().sum(dtype=torch.float64))
    return total / (len(images) * int(network.pixels.sum()))
