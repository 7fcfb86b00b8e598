"""`python -m bench regress`: run a check, say what it found, write it down."""

import json
import signal
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path

from bench.errors import BenchError
from bench.machine.processes import ROOT
from bench.regress.check import check
from bench.regress.settings import Settings
from bench.regress.summary import markdown
from bench.regress.verdict import Verdict
from bench.store.store import write_atomically

FAILED = 2


def regress(base: str, head: str | None, settings: Settings, out: Path) -> int:
    """Run the check and return its exit code: 0 no regression, 1 regression, 2 the check itself
    failed, 3 inconclusive. summary.md and verdict.json in `out` say why; nothing old is left there.
    """
    signal.signal(signal.SIGTERM, _leave)  # a job that is cancelled clears its worktrees away
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("summary.md", "verdict.json"):
            (out / name).unlink(missing_ok=True)
        verdict = check(base, head, settings, say=lambda line: _say(f"  {line}"))
        publish(verdict, out)
    except Exception as error:  # Python's own exit code for it, 1, would read as a regression
        return _failed(error, out)
    return verdict.exit_code


def publish(verdict: Verdict, out: Path) -> None:
    """Write both files and print the summary."""
    text = markdown(verdict)
    _write(out / "summary.md", text)
    _write(out / "verdict.json", json.dumps(verdict.to_dict(), indent=1) + "\n")
    sys.stdout.write(text)
    sys.stdout.flush()


def failure(error: Exception) -> dict[str, object]:
    """A verdict in place of one: the check failed, and why, without folders of this machine."""
    told = (
        str(error) if isinstance(error, BenchError) else "".join(traceback.format_exception(error))
    )
    return {"verdict": "failed", "exit_code": FAILED, "reason": _without_places(told)}


def _failed(error: Exception, out: Path) -> int:
    found = failure(error)
    told = f"# **The check failed.** It says nothing.\n\n```\n{found['reason']}\n```\n"
    with suppress(OSError):  # the folder or the terminal may be what failed
        sys.stderr.write(f"error: {found['reason']}\n")
        _write(out / "summary.md", told)
        _write(out / "verdict.json", json.dumps(found, indent=1) + "\n")
    return FAILED


def _without_places(text: str) -> str:
    """The text with folders of this machine by what they are: it goes to pull requests."""
    places = {
        str(ROOT): "checkout",
        sys.prefix: "environment",
        sys.base_prefix: "python",
        tempfile.gettempdir(): "tmp",
        str(Path.home()): "home",
    }
    for place in sorted(places, key=len, reverse=True):
        if place != "/":
            text = text.replace(place, places[place])
    return text


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
