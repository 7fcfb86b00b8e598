"""Something to time: a workload is a function of sizes that returns a `Timed`.

It makes its data outside the clock. Workloads import what they time inside the function, so that
the same file times whichever revision is first on the path.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


def _nothing() -> None:
    return None


@dataclass(frozen=True, eq=False)
class Timed:
    """Something to time.

    Args:
        run: what the clock sees; given what `before` returned.
        before: makes what `run` may use up (a fresh network), outside the clock.
        output: the arrays to compare between revisions, from what `run` returned.
        n_bytes: of the table or the images that a run reads; 0 where there are none.
        keep: what has to live as long as this does (a temporary folder).
    """

    run: Callable[[Any], Any]
    before: Callable[[], Any] = _nothing
    output: Callable[[Any], list[np.ndarray]] = field(default=lambda result: [np.asarray(result)])
    n_bytes: int = 0
    keep: Any = None

    def once(self) -> Any:
        """Prepare and run, whatever the clock says."""
        return self.run(self.before())
