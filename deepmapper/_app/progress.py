"""What a terminal shows while a model is trained: the pass, the epoch, the figures so far."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.console import Console


class TrainingProgress:
    """A live line on a terminal; nothing elsewhere (a log wants results, not frames).

    >>> from rich.console import Console
    >>> with TrainingProgress(Console(quiet=True), passes=3, epochs=10) as progress:
    ...     progress({"pass": 0, "epoch": 2, "train_loss": 0.5, "validation_accuracy": 0.9})
    >>> progress.text
    'pass 1 of at most 3, epoch 2 of at most 10: train loss 0.500, validation accuracy 0.900'
    """

    def __init__(self, console: "Console", passes: int | None = None, epochs: int | None = None):
        self.text = "reading"
        self._passes = passes
        self._epochs = epochs
        self._start = time.monotonic()
        self._status = console.status(self.text, spinner="dots")

    def __enter__(self) -> Self:
        self._status.start()
        self.say("training")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()

    def __call__(self, row: dict[str, Any]) -> None:
        """Show a row of a history."""
        place = [f"epoch {row['epoch']}{_of(self._epochs)}"]
        if "pass" in row:
            place.insert(0, f"pass {row['pass'] + 1}{_of(self._passes)}")
        shown = [
            f"{name.replace('_', ' ')} {value:.3f}"
            for name, value in row.items()
            if isinstance(value, float) and name.startswith(("train_loss", "validation_"))
        ]
        if row.get("open_pixels") is not None:
            shown.append(f"{row['open_pixels']:,} pixels open")
        self.say(f"{', '.join(place)}: {', '.join(shown)}")

    def say(self, text: str) -> None:
        self.text = text
        self._status.update(f"{text} ({time.monotonic() - self._start:.0f} s)")


def _of(most: int | None) -> str:
    return "" if most is None else f" of at most {most}"
