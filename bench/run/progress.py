"""The progress of a run: cells done, running and failed, and the time left."""

import time
from typing import Any

from bench.cell import Cell

LINE_EVERY_SECONDS = 5.0


class Progress:
    """Count cells and show the counts on a rich `console`. None: show nothing.

    A terminal gets a progress bar. A log, e.g. of CI, gets lines.
    """

    def __init__(self, console: Any = None) -> None:
        self.total = self.done = self.running = self.failed = 0
        self._finished_here = 0
        self._began = self._last_line = time.monotonic()
        self._console = console
        self._bar: Any = None

    def start(self, total: int, done: int) -> None:
        self.total, self.done = total, done
        self._began = time.monotonic()
        if self._console is not None and self._console.is_terminal:
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = BarColumn(), TextColumn("{task.description}")
            self._bar = Bar(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task(str(self), total=total, completed=done)
            self._bar.start()
        else:
            self._print(str(self))

    def show_message(self, text: str) -> None:
        """Show a line of text."""
        self._print(text, style="dim")

    def start_cell(self) -> None:
        self.running += 1

    def requeue_cell(self) -> None:
        self.running -= 1

    def finish_cell(self, cell: Cell, status: str) -> None:
        self.running = max(0, self.running - 1)
        self.done += 1
        self._finished_here += 1
        if status != "ok":
            self.failed += 1
            dataset, method, seed = cell.grid_point
            self._print(f"{status}: {method} on {dataset}, seed {seed}", style="yellow")

    def tick(self) -> None:
        """Show the counts. The run calls this several times a second."""
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, description=str(self))
        elif time.monotonic() - self._last_line > LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            self._print(str(self))

    def stop(self) -> None:
        """Show the final counts."""
        if self._bar is not None:
            self._bar.stop()
        self._print(str(self))

    def __str__(self) -> str:
        clock = "--:--"
        if self._finished_here:  # at the pace so far
            pace = (time.monotonic() - self._began) / self._finished_here
            seconds = int(pace * (self.total - self.done))
            clock = f"{seconds // 60}:{seconds % 60:02d}"
        return (
            f"{self.done}/{self.total} cells done, {self.running} running, "
            f"{self.failed} not ok, {clock} left"
        )

    def _print(self, text: str, **style: str) -> None:
        if self._console is not None:
            self._console.print(text, highlight=False, markup=False, **style)
