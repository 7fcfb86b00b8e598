"""Tables become images: normalisation, fold and unfold, both together."""

from .figures import figures
from .workloads import Timed, convert, fold, normalise, unfold

N_FEATURES = (1_000, 10_000, 60_000)
N_VALUES = 4_000_000  # of a table, whatever its number of features


def n_samples(n_features: int) -> int:
    return N_VALUES // n_features


class Normalise:
    """Learn a scaling and apply it."""

    params = (N_FEATURES, ("standard", "minmax", "none"))
    param_names = ("n_features", "scale")

    def setup(self, n_features: int, scale: str) -> None:
        self.timed = normalise(n_samples(n_features), n_features, scale)
        self.timed.once()

    def time_normalise(self, *_: object) -> None:
        self.timed.once()


class Fold:
    """Rows become images."""

    params = (N_FEATURES, ("natural", "random"))
    param_names = ("n_features", "layout")
    workload = staticmethod(fold)

    def setup(self, n_features: int, layout: str) -> None:
        self.timed: Timed = self.workload(n_samples(n_features), n_features, layout)
        self.timed.once()

    def time_fold(self, *_: object) -> None:
        self.timed.once()

    def peakmem_fold(self, *_: object) -> None:
        self.timed.once()

    def track_allocated(self, *_: object) -> float:
        return figures(self.timed, "cpu")["allocated_torch"][0]

    track_allocated.unit = "tables"  # type: ignore[attr-defined]


class Unfold:
    """Images become values a feature."""

    params = (N_FEATURES, ("natural", "random"))
    param_names = ("n_features", "layout")

    def setup(self, n_features: int, layout: str) -> None:
        self.timed = unfold(n_samples(n_features), n_features, layout)
        self.timed.once()

    def time_unfold(self, *_: object) -> None:
        self.timed.once()


class Convert:
    """Scale and fold in one go, as the engine does it."""

    params = (N_FEATURES, ("cpu", "cuda"))
    param_names = ("n_features", "device")

    def setup(self, n_features: int, device: str) -> None:
        from .devices import there

        self.synchronise = there(device)
        self.device = device
        self.timed = convert(n_samples(n_features), n_features, device=device)
        self.timed.once()
        self.synchronise()

    def time_convert(self, *_: object) -> None:
        self.timed.once()
        self.synchronise()

    def peakmem_convert(self, *_: object) -> None:
        self.timed.once()
        self.synchronise()

    def track_passes(self, *_: object) -> float:
        return figures(self.timed, self.device)["passes"][0]

    track_passes.unit = "passes over the table"  # type: ignore[attr-defined]

    def track_peak(self, *_: object) -> float:
        return figures(self.timed, self.device)["peak_numpy"][0]

    track_peak.unit = "tables"  # type: ignore[attr-defined]
