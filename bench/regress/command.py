"""`python -m bench regress`: run a check, say what it found, write it down."""

import json
import signal
import sys
import traceback
from pathlib import Path

from bench.errors import BenchError
from bench.regress.check import Settings, check
from bench.regress.summary import markdown
from bench.regress.verdict import Verdict
from bench.store import write_atomically

FAILED = 2


def regress(base: str, head: str | None, settings: Settings, out: Path) -> int:
    """Run the check and return its exit code: 0 no regression, 1 regression, 2 the check itself
    failed, 3 inconclusive. summary.md and verdict.json in `out` say why; nothing old is left there.
    """
    signal.signal(signal.SIGTERM, _leave)  # a job that is cancelled clears its worktrees away
    out.mkdir(parents=True, exist_ok=True)
    for name in ("summary.md", "verdict.json"):
        (out / name).unlink(missing_ok=True)
    try:
        verdict = check(base, head, settings, say=lambda line: _say(f"  {line}"))
    except Exception as error:  # Python's own exit code for it, 1, would read as a regression
        told = str(error) if isinstance(error, BenchError) else traceback.format_exc()
        _write(
            out / "summary.md", f"# **The check failed.** It says nothing.\n\n```\n{told}\n```\n"
        )
        found = {"verdict": "failed", "exit_code": FAILED, "reason": told}
        _write(out / "verdict.json", json.dumps(found, indent=1) + "\n")
        sys.stderr.write(f"error: {told}\n")
        return FAILED
    publish(verdict, out)
    return verdict.exit_code


def publish(verdict: Verdict, out: Path) -> None:
    """Print the summary and write both files."""
    text = markdown(verdict)
    _write(out / "summary.md", text)
    _write(out / "verdict.json", json.dumps(verdict.to_dict(), indent=1) + "\n")
    sys.stdout.write(text)


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
