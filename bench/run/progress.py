"""What a run shows while it goes on: cells done, running, failed, time left."""

import time
from typing import Any

from bench.cell import Cell

LINE_EVERY_SECONDS = 5.0


class Progress:
    """Counts cells; shows nothing. `TerminalProgress` shows it."""

    def __init__(self) -> None:
        self.total = self.done = self.running = self.failed = 0
        self._finished_here = 0
        self._began = time.monotonic()

    def start(self, total: int, done: int) -> None:
        self.total, self.done = total, done
        self._began = time.monotonic()

    def note(self, text: str) -> None:
        """Something worth a line that is not a cell."""

    def started(self) -> None:
        self.running += 1

    def requeued(self) -> None:
        self.running -= 1

    def ended(self, cell: Cell, status: str, seconds: float) -> None:
        self.running = max(0, self.running - 1)
        self.done += 1
        self._finished_here += 1
        self.failed += status != "ok"

    def tick(self) -> None:
        """Called several times a second."""

    def stop(self) -> None:
        """The run is over."""

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None before the first cell has ended."""
        if not self._finished_here:
            return None
        pace = (time.monotonic() - self._began) / self._finished_here
        return pace * (self.total - self.done)

    def __str__(self) -> str:
        left = self.seconds_left
        clock = "--:--" if left is None else f"{int(left) // 60}:{int(left) % 60:02d}"
        return (
            f"{self.done}/{self.total} cells done, {self.running} running, "
            f"{self.failed} not ok, {clock} left"
        )


class TerminalProgress(Progress):
    """A live bar on a terminal; a line every few seconds elsewhere (a CI log)."""

    def __init__(self, console: Any) -> None:
        super().__init__()
        self._console = console
        self._live: Any = None
        self._last_line = 0.0

    def start(self, total: int, done: int) -> None:
        super().start(total, done)
        if self._console.is_terminal:
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            self._live = Bar(
                BarColumn(), TextColumn("{task.description}"), console=self._console, transient=True
            )
            self._task = self._live.add_task(str(self), total=total, completed=done)
            self._live.start()
        else:
            self._console.print(str(self), highlight=False)

    def note(self, text: str) -> None:
        self._console.print(text, style="dim", highlight=False)

    def ended(self, cell: Cell, status: str, seconds: float) -> None:
        super().ended(cell, status, seconds)
        if status != "ok":
            dataset, method, seed = cell.place
            line = f"{status}: {method} on {dataset}, seed {seed}"
            self._console.print(line, style="yellow", highlight=False)

    def tick(self) -> None:
        if self._live is not None:
            self._live.update(self._task, completed=self.done, description=str(self))
        elif time.monotonic() - self._last_line > LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            self._console.print(str(self), highlight=False)

    def stop(self) -> None:
        if self._live is not None:
            self._live.stop()
        self._console.print(str(self), highlight=False)
