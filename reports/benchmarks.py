"""What pytest-benchmark measured, as a table: times, GB/s and how near to a copy, GFLOP/s."""

import json
from pathlib import Path
from typing import Any

from bench.errors import BenchError

HEAD = ("benchmark", "median ms", "iqr ms", "rounds", "GB/s", "of a copy", "GFLOP/s")


def table(path: Path) -> str:
    """A Markdown table from a file of `pytest --benchmark-json`.

    GB/s counts the table that a run reads, once; "of a copy" is that beside half of what the
    machine moves when it copies (it reads and writes), so that 1.0 is as fast as copying the table.

    Raises:
        BenchError: the file cannot be read or is no such file.
    """
    try:
        benchmarks = json.loads(path.read_text())["benchmarks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"{path} is no file of `pytest --benchmark-json` ({type(error).__name__}: {error})"
        )
        raise BenchError(message) from error
    lines = ["| " + " | ".join(HEAD) + " |", "| --- |" + " ---: |" * (len(HEAD) - 1)]
    lines += ["| " + " | ".join(_row(found)) + " |" for found in benchmarks]
    return "\n".join(lines) + "\n"


def _row(found: dict[str, Any]) -> list[str]:
    stats, extra = found["stats"], found["extra_info"]
    seconds, n_bytes, n_flops = stats["median"], extra.get("n_bytes"), extra.get("n_flops")
    rate = n_bytes / seconds if n_bytes else None
    copies = rate / (extra["copy_bytes_per_second"] / 2) if rate else None
    return [
        found["name"].removeprefix("test_"),
        f"{1e3 * seconds:.3g}",
        f"{1e3 * stats['iqr']:.2g}",
        str(stats["rounds"]),
        f"{rate / 1e9:.2f}" if rate else "",
        f"{copies:.2f}" if copies else "",
        f"{n_flops / seconds / 1e9:.1f}" if n_flops else "",
    ]
