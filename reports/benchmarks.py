"""Results of pytest-benchmark as a table: times, GB/s beside a copy, GFLOP/s."""

import json
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from reports.markup import markdown_grid

HEAD = ("benchmark", "median ms", "iqr ms", "rounds", "GB/s", "of a copy", "GFLOP/s")


def table(path: Path) -> str:
    """A Markdown table from a file of `pytest --benchmark-json`.

    GB/s counts the table that a run reads, once. "of a copy" divides that by half of the bytes that
    the machine moves when it copies (it reads and writes): 1.0 is as fast as copying the table.

    Raises:
        BenchError: the file cannot be read or has another form.
    """
    try:
        benchmarks = json.loads(path.read_text())["benchmarks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path} is not a file of `pytest --benchmark-json` ({error!r})"
        raise BenchError(message) from error
    rows = [_row(benchmark) for benchmark in benchmarks]
    return "\n".join(markdown_grid(HEAD, rows, [True] + [False] * (len(HEAD) - 1))) + "\n"


def _row(benchmark: dict[str, Any]) -> list[str]:
    stats, extra = benchmark["stats"], benchmark["extra_info"]
    seconds, n_bytes, n_flops = stats["median"], extra.get("n_bytes"), extra.get("n_flops")
    rate = n_bytes / seconds if n_bytes else None
    copies = rate / (extra["copy_bytes_per_second"] / 2) if rate else None
    return [
        benchmark["name"].removeprefix("test_"),
        f"{1e3 * seconds:.3g}",
        f"{1e3 * stats['iqr']:.2g}",
        str(stats["rounds"]),
        f"{rate / 1e9:.2f}" if rate else "",
        f"{copies:.2f}" if copies else "",
        f"{n_flops / seconds / 1e9:.1f}" if n_flops else "",
    ]
