"""`DeepMapperClassifier`: the paper's pipeline as one scikit-learn estimator.

Paper: Methods 1-9 and Fig. 2.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from deepmapper.attribution import EXPLAINERS
from deepmapper.errors import DeepMapperError
from deepmapper.estimators._base import (
    COMMON_CONSTRAINTS,
    Float32Transformer,
    OnEpoch,
    ValidatedEstimator,
    check_table,
    latent,
    warn_of_other_units,
)
from deepmapper.estimators.consensus import Consensus
from deepmapper.estimators.evidence import Evidence, find_evidence
from deepmapper.estimators.mixture import Mixture, fit_mixture
from deepmapper.estimators.network_classifier import (
    ClassWeight,
    NetworkClassifier,
    Pass,
    Training,
)
from deepmapper.images._rows import feature_names, is_on_disk
from deepmapper.images.converter import ImageConverter
from deepmapper.images.layouts import Layout
from deepmapper.training.devices import resolve_device
from deepmapper.training.objectives import Classification
from deepmapper.training.streams import seed_of, stream_seed
from deepmapper.training.trainer import FEWEST_TO_STOP, Epoch, TrainingSettings

FEWEST_PASSES = 2
# Read by networks that do not depend on which pixels are neighbours, of layouts without meaning.
MOST_PIXELS = 64**2
ANY_LAYOUT, WITHOUT_MEANING = ("patch", "flat"), ("natural", "random")
FEW_ROWS, FRACTION_OF_FEW = 2000, 0.2  # passes hold out a larger share of fewer rows


class DeepMapperClassifier(  # type: ignore[call-arg]
    ClassifierMixin, Float32Transformer, ValidatedEstimator, auto_wrap_output_keys=None
):
    """Classify rows of a table as images, and rank the features that matter.

    Each feature becomes one pixel behind a gate. Networks are trained in passes, each with another
    split and other initial weights. Each accepted pass attributes its held-out images to pixels,
    and so to features. Passes are repeated until their attributions agree. Predictions are those of
    the networks mixed with plain models, weighted by their losses on rows held out
    (`deepmapper.estimators.mixture`).

    Parameters
    ----------
    layout : str, Layout or int array of shape (n_features,), default="auto"
        "auto", "natural", "random", "learned", a `Layout`, or the pixel of each feature. "auto" is
        "learned" if at least 200 rows show that the features, 256 or more, are related as the
        samples of a signal or the pixels of an image are, and "natural" otherwise. See
        `images.layouts`.
    log, scale : default="auto", "standard"
        See `deepmapper.images.scaling.FeatureScaler`.
    stream : bool or "auto", default="auto"
        See `deepmapper.images.converter.ImageConverter`.
    backbone : str, default="auto"
        A name in `deepmapper.networks.backbones.BACKBONES`. "auto" is "cnn_small" for a learned
        layout, and "patch", which does not depend on neighbours, for others.
    gate : bool or "auto", default="auto"
        "auto" has a gate unless the network depends on the neighbours of a learned layout. See
        `deepmapper.estimators.network_classifier.NetworkClassifier`.
    passes : int, default=5
        Maximum number of passes. Five passes hold out each of fewer than 2,000 rows once.
    agreement : float or None, default=0.8
        Stop if the top features of two halves of the passes agree to this degree, 0 to 1 (see
        `Consensus.agreement`), or if a second pass reaches `target_loss`. None makes all passes.
    top : int, default=20
        A feature is selected in a pass if it ranks in the top `top` features of a class.
    attribution : str or None, default="saliency"
        A name in `deepmapper.attribution.EXPLAINERS`. None skips attribution.
    class_weight : "balanced", dict of class to weight, or None, default="balanced"
        "balanced" gives all classes the same total weight, so probabilities are those for equally
        frequent classes. With None they are those for the shares of the training rows.
    training : TrainingSettings or mapping, default=None
        See `deepmapper.training.trainer.TrainingSettings`. A mapping gives names and values.
        `set_params(training__max_epochs=3)` sets one of them.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
    random_state : int, RandomState or None, default=None
        Seed of layout, splits, weights and batch order. None or a RandomState draws one.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels.
    class_count_ : int array of shape (n_classes,)
        The number of training rows of each class.
    layout_ : Layout
    attributions_ : DataFrame
        Columns feature, class, mean, sd, selection_frequency, mean_rank, q_value, evidence,
        direction, partner. The best features of each class come first. q_value is the false
        discovery rate among the features of the class up to this one. See `Consensus.table`.
    evidence_ : Evidence
        The evidence behind their order.
    mixture_ : Mixture
        The weights of networks and plain models. `mixture_.held_out` has the loss and the accuracy
        of each on rows that it was not fitted on.
    consensus_ : Consensus
        The passes behind `attributions_`, and their agreement.
    history_ : list of dict
        One per epoch and pass.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 30)).astype("float32")
    >>> y = np.where(X[:, 17] > 0, "high", "low")
    >>> model = DeepMapperClassifier(passes=1, device="cpu", random_state=0).fit(X, y)
    >>> str(model.attributions_.feature[0])
    'x17'
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **COMMON_CONSTRAINTS,
        "stream": ["boolean", StrOptions({"auto"})],
        "backbone": [str, callable],
        "gate": ["boolean", StrOptions({"auto"})],
        "agreement": [Interval(Real, 0, 1, closed="both"), None],
        "top": [Interval(Integral, 1, None, closed="left")],
        "attribution": [StrOptions(set(EXPLAINERS)), None],
        "class_weight": [StrOptions({"balanced"}), Mapping, None],
        "training": [TrainingSettings, Mapping, None],
    }

    def __init__(
        self,
        *,
        layout: str | Layout | np.ndarray = "auto",
        log: bool | str = "auto",
        scale: str = "standard",
        stream: bool | str = "auto",
        backbone: str = "auto",
        gate: bool | str = "auto",
        passes: int = 5,
        agreement: float | None = 0.8,
        top: int = 20,
        attribution: str | None = "saliency",
        class_weight: ClassWeight = "balanced",
        training: Training = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.layout = layout
        self.log = log
        self.scale = scale
        self.stream = stream
        self.backbone = backbone
        self.gate = gate
        self.passes = passes
        self.agreement = agreement
        self.top = top
        self.attribution = attribution
        self.class_weight = class_weight
        self.training = training
        self.device = device
        self.random_state = random_state

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, on_epoch: OnEpoch | None = None
    ) -> Self:
        """Train on a table.

        Parameters
        ----------
        X : array, CSR, DataFrame or memmap of shape (n_samples, n_features)
            Used as float32. Features that vary too little for float32, such as times of 1.7e9 s
            that differ by seconds, are mapped to 0..1 first, if X is dense and in memory. A
            `numpy.memmap` may be larger than memory.
        y : array of shape (n_samples,)
            Labels: texts, whole numbers or booleans.
        sample_weight : array of shape (n_samples,), default=None
            Weights in the loss and in the accuracy of a pass. Scaling, layout and screen do not use
            them. Rows of weight 0 are left out (of a memory-mapped table they stay in scaling and
            layout).
        on_epoch : callable, default=None
            Called after each epoch with its row of the history.

        Returns
        -------
        self : DeepMapperClassifier

        Raises
        ------
        DeepMapperError
            Parameters are out of range, there is only one class, values are missing or infinite, or
            labels are missing or of other or several types.
        ValueError
            Wrong shapes (scikit-learn's messages).
        """
        self._validate_params()
        X, y, sample_weight = self._check_data(X, y, sample_weight)
        seed = seed_of(self.random_state)
        self.converter_ = ImageConverter(
            self.layout,
            log=self.log,
            scale=self.scale,
            stream=self.stream,
            device=str(resolve_device(self.device)),
            random_state=seed,
        )
        images = self.converter_.fit_transform(X)
        return self._fit_images(X, images, y, sample_weight, seed=seed, on_epoch=on_epoch)

    def _fit_images(
        self,
        X: Any,
        images: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        *,
        seed: int,
        on_epoch: OnEpoch | None = None,
    ) -> Self:
        """Train on rows of a table and their images, made by the fitted `converter_`."""
        self.layout_ = self.converter_.layout_
        self.classes_, self.class_count_ = np.unique(y, return_counts=True)
        self.consensus_ = Consensus(self.top)
        settings = TrainingSettings.of(self.training)
        pairs, sure = None, None
        if len(self.classes_) > 1:
            of_pixels = self._find_evidence(images, y, settings.interactions, seed)
            self.evidence_ = of_pixels.of_features(self.layout_.pixel_of_feature)
            pairs, sure = of_pixels.pairs, of_pixels.sure
        if settings.validation_fraction is None and len(y) < FEW_ROWS:
            settings = replace(settings, validation_fraction=FRACTION_OF_FEW)
        self.classifier_ = self._classifier(settings, seed)

        def after_pass() -> bool:
            trained = self.classifier_.passes_[-1]
            if self.attribution is not None:
                pixels = self.classifier_.attribute_pass(trained, images, y)
                self.consensus_.add(self.converter_.to_features(pixels.mean(1)))
            if self.agreement is None or len(self.classifier_.passes_) < FEWEST_PASSES:
                return False
            agrees = self.attribution is not None and self.consensus_.agreement() >= self.agreement
            return agrees or _is_solved(trained, settings)

        def after_epoch(number: int, epoch: Epoch) -> None:
            if on_epoch is not None:
                on_epoch({"pass": number, **epoch.row(Classification.score_name)})

        self.classifier_.fit(
            images, y, sample_weight, pairs=pairs, after_pass=after_pass, on_epoch=after_epoch
        )
        self.history_ = self.classifier_.history_
        self.mixture_ = self._mix(X, images, y, sample_weight, sure, seed)
        if self.attribution is not None:
            self.attributions_ = self.consensus_.table(
                feature_names(self), self.classes_, self.evidence_
            )
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Mix the probabilities of the networks and of the plain models.

        With `class_weight="balanced"` they are for equally frequent classes. So rare classes get
        higher probabilities than their share of the training rows suggests.

        Parameters
        ----------
        X : array, CSR, DataFrame or memmap of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples, n_classes)
        """
        X = self._rows(X)
        return self._predict_images(X, self.converter_.transform(X))

    def _predict_images(self, X: Any, images: Any) -> np.ndarray:
        return self.mixture_.predict_proba(self.classifier_.predict_proba(images), images, X)

    def predict(self, X: Any) -> np.ndarray:
        """Predict the labels of rows.

        Parameters
        ----------
        X : array, CSR, DataFrame or memmap of shape (n_samples, n_features)

        Returns
        -------
        array of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(1)]

    def transform(self, X: Any) -> np.ndarray:
        """Make the images of rows.

        Parameters
        ----------
        X : array, CSR, DataFrame or memmap of shape (n_samples, n_features)

        Returns
        -------
        float32 array of shape (n_samples, 1, height, width)
        """
        images = self._images(X)
        return images if isinstance(images, np.ndarray) else images[:].cpu().numpy()

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The feature of each pixel of `transform`, row by row (empty0, ... if empty).

        Parameters
        ----------
        input_features : sequence of str, default=None
            Names of the features. Default: those of the training table, or x0, x1, ...

        Returns
        -------
        object array of shape (height * width,)
        """
        check_is_fitted(self)
        height, width = self.layout_.shape
        names = np.array([f"empty{i}" for i in range(height * width)], dtype=object)
        names[self.layout_.pixel_of_feature] = _check_feature_names_in(self, input_features)
        return names

    def latent(self, X: Any, layer: str, number: int = 0) -> np.ndarray:
        """Return the output of a layer of a pass's network.

        Parameters
        ----------
        X : array, CSR, DataFrame or memmap of shape (n_samples, n_features)
        layer : str
            A name of `_base.layer_names(model.classifier_.networks_[number])`.
        number : int, default=0
            Index of the accepted pass.

        Returns
        -------
        array of shape (n_samples, ...)

        Raises
        ------
        DeepMapperError
            No layer has that name. The message gives the nearest.
        """
        images = self._images(X)
        if isinstance(images, np.ndarray):
            images = torch.from_numpy(images)
        values = latent(self.classifier_.networks_[number], images, layer)
        return values.cpu().numpy()

    def save(self, folder: str | Path) -> None:
        """Write the model into a folder, as safetensors and JSON. See `_saving`.

        Parameters
        ----------
        folder : str or Path
            Created if missing. A model in it is replaced.

        Raises
        ------
        DeepMapperError
            The backbone is a function, or the folder cannot be written or holds something else.
        """
        from deepmapper.estimators._saving import save_model

        save_model(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read the model that `save` wrote. Loading runs no code from the folder.

        Parameters
        ----------
        folder : str or Path

        Returns
        -------
        DeepMapperClassifier

        Raises
        ------
        DeepMapperError
            The folder holds no model, or one that is damaged, altered or of another version.
        """
        from deepmapper.estimators._saving import load_model

        return load_model(folder, cls)

    def _rows(self, X: Any) -> Any:
        """Rows to predict, checked."""
        check_is_fitted(self)
        X = check_table(self, X, reset=False)
        warn_of_other_units(X, self.converter_.scaler_)
        return X

    def _images(self, X: Any) -> Any:
        """Images of rows X, in the form that the classifier reads fastest."""
        X = self._rows(X)
        return self.converter_.transform(X)

    def _mix(
        self,
        X: Any,
        images: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        groups: np.ndarray | None,
        seed: int,
    ) -> Mixture:
        """The mixture of the networks with plain models.

        Networks that are always right, and those without held-out rows to weigh them, stay alone.
        """
        settings = TrainingSettings.of(self.training)
        codes = torch.from_numpy(np.searchsorted(self.classes_, y))
        rows, probabilities = (torch.from_numpy(a) for a in self.classifier_.held_out_proba())
        true = probabilities[torch.arange(len(rows)), codes[rows]]
        target = settings.target_loss
        is_solved = (
            settings.networks
            and target is not None
            and len(rows) >= FEWEST_TO_STOP
            and float(-true.clamp(min=1e-7).log().mean()) < target
        )
        return fit_mixture(
            (rows, probabilities),
            images,
            X,
            codes,
            self.classifier_.row_weights(y, sample_weight),
            n_classes=len(self.classes_),
            plain=settings.plain if len(rows) and not is_solved else (),
            with_networks=settings.networks,
            groups=groups,
            seed=stream_seed(seed, "mixture") % 2**32,
        )

    def _find_evidence(
        self, images: Any, y: np.ndarray, interactions: bool | str, seed: int
    ) -> Evidence:
        """The evidence for each pixel in all rows."""
        codes = torch.from_numpy(np.searchsorted(self.classes_, y))
        if isinstance(images, np.ndarray):
            images = torch.from_numpy(images)
        on_device = hasattr(images, "device")
        codes = codes.to(images.device if on_device else resolve_device(self.device))
        evidence = find_evidence(
            images,
            codes,
            len(self.classes_),
            interactions=interactions,
            seed=stream_seed(seed, "evidence") % 2**32,
        )
        n_features = len(self.layout_.pixel_of_feature)
        if interactions is not False and n_features > 1 and not evidence.pairs_searched:
            warnings.warn(
                f"pairs of the {n_features:,} features were not searched: {len(y):,} rows are too "
                "few to tell one from chance, or too many for the time of the search; set "
                "training__interactions=True to search all",
                stacklevel=4,
            )
        return evidence

    def _check_data(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, np.ndarray, np.ndarray | None]:
        if y is None:
            message = f"{type(self).__name__} requires y to be passed, but the target y is None"
            raise ValueError(message)
        X = check_table(self, X, reset=True)
        y = column_or_1d(_check_labels(y), warn=True)
        check_consistent_length(X, y)
        check_classification_targets(y)
        if sample_weight is None:
            return X, y, None
        weights = _check_sample_weight(sample_weight, X, dtype=np.float32, ensure_non_negative=True)
        used = weights > 0
        if used.all() or is_on_disk(X):
            return X, y, weights
        return X[used], y[used], weights[used]

    def _classifier(self, settings: TrainingSettings, seed: int) -> NetworkClassifier:
        """A `NetworkClassifier` with the parameters that both estimators have."""
        params = self.get_params(deep=False)
        common = {
            name: params[name] for name in NetworkClassifier._get_param_names() if name in params
        }
        overrides = {
            "attribution": self.attribution or "saliency",
            "device": str(resolve_device(self.device)),
            "training": settings,
            "random_state": seed,
        }
        is_learned = self.layout_.name == "learned"
        backbone = self.backbone
        if backbone == "auto":
            backbone = "cnn_small" if is_learned else "patch"
        reads_neighbours = backbone not in ANY_LAYOUT
        has_gate = not (is_learned and reads_neighbours) if self.gate == "auto" else self.gate
        overrides |= {"backbone": backbone, "gate": has_gate}
        if settings.augment and (self.scale != "none" or has_gate or not reads_neighbours):
            message = (
                "augment=True mixes the values of neighbouring pixels: it needs scale='none', "
                "gate=False and a backbone that reads neighbours, such as 'cnn_small'; got "
                f"scale={self.scale!r}, gate={has_gate} and backbone={backbone!r}"
            )
            raise DeepMapperError(message)
        neighbours_matter = (
            reads_neighbours
            or self.layout_.name not in WITHOUT_MEANING
            or self.attribution == "grad_cam"
        )
        overrides["most_pixels"] = None if neighbours_matter else MOST_PIXELS
        return NetworkClassifier(**(common | overrides))


def _check_labels(y: Any) -> Any:
    """Labels of a type that numpy can sort. Missing, other and mixed ones raise DeepMapperError."""
    labels = np.asarray(y, dtype=object)
    if labels.ndim == 0 or labels.size != len(labels):
        return y  # scikit-learn refuses it
    labels = labels.ravel()
    missing = np.flatnonzero(pd.isna(labels))
    if len(missing):
        message = (
            f"missing labels in y: {len(missing)}, the first is {labels[missing[0]]!r} in row "
            f"{missing[0]} (counted from 0). Leave these rows out, or give them a label"
        )
        raise DeepMapperError(message)
    types = {_type_of(label): label for label in labels[::-1]}  # the first label of each type
    if len(types) > 1 or not types.keys() <= {str, Real}:
        examples = " and ".join(repr(label) for label in types.values())
        message = (
            f"y has labels such as {examples}; expected only texts, only whole numbers or only "
            "booleans. Make them texts: [str(label) for label in y]"
        )
        raise DeepMapperError(message)
    is_numpy = isinstance(getattr(y, "dtype", None), np.dtype) and y.dtype != object
    if is_numpy or Real not in types:
        return y
    return np.array(labels.tolist())  # objects, lists, and pandas types that may be missing


def _type_of(label: object) -> type:
    if isinstance(label, str):
        return str
    return Real if isinstance(label, Real | np.bool_) else type(label)


def _is_solved(trained: Pass, settings: TrainingSettings) -> bool:
    """Whether the held-out loss of a pass is below `target_loss`, on enough rows."""
    loss = trained.history[-1]["validation_loss"]
    if settings.target_loss is None or loss is None or len(trained.held_out) < FEWEST_TO_STOP:
        return False
    return bool(loss < settings.target_loss)
