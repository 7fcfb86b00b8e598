"""Learned layouts: a pixel for each feature, from the rows."""

from .workloads import learn_layout, screen


class Learned:
    """Features that vary together side by side."""

    params = (256, 1_024, 8_192)
    param_names = ("n_features",)
    number = 1
    timeout = 300

    def setup(self, n_features: int) -> None:
        self.timed = learn_layout(n_features=n_features)

    def time_learned(self, _: int) -> None:
        self.timed.once()


class LearnedMemory:
    """The same, at the one of these numbers of features that takes the most memory."""

    timeout = 300

    def setup(self) -> None:
        self.timed = learn_layout(n_features=8_192)

    def peakmem_learned(self) -> None:
        self.timed.once()


class Screen:
    """Classes compared feature by feature, and pair by pair."""

    params = ((28, 139), (False, True))
    param_names = ("side", "pairs")
    number = 1

    def setup(self, side: int, pairs: bool) -> None:
        self.timed = screen(side=side, interactions=pairs)

    def time_screen(self, *_: object) -> None:
        self.timed.once()
