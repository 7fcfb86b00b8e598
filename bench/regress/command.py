"""`python -m bench regress`: run a check and write its verdict."""

import json
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from bench.errors import BenchError
from bench.machine.redaction import list_replacements, redact
from bench.regress.check import check
from bench.regress.settings import Settings
from bench.regress.verdict import THRESHOLD, VAGUE, Estimate, Verdict
from bench.store.store import write_atomically

FAILED = 2
WORDS = {
    "regression": "**Regression.**",
    "inconclusive": "**Inconclusive**: neither a regression nor its absence was shown.",
    "no regression": "**No regression.**",
}


def regress(base: str, head: str | None, settings: Settings, out: Path) -> int:
    """Run the check, write summary.md and verdict.json, return the exit code.

    0: no regression, 1: regression, 2: the check failed, 3: inconclusive. Old files are removed.
    """
    signal.signal(signal.SIGTERM, _exit_on_signal)  # so that a cancelled job removes its worktrees
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("summary.md", "verdict.json"):
            (out / name).unlink(missing_ok=True)
        verdict = check(base, head, settings, log=lambda line: _print_line(f"  {line}"))
        publish(verdict, out)
    except Exception as error:  # Python's exit code of an error, 1, would mean a regression
        return _report_failure(error, out)
    return verdict.exit_code


def publish(verdict: Verdict, out: Path) -> None:
    """Write both files and print the summary."""
    text = format_markdown(verdict)
    _write(out / "summary.md", text)
    _write(out / "verdict.json", json.dumps(verdict.to_dict(), indent=1) + "\n")
    sys.stdout.write(text)
    sys.stdout.flush()


def describe_failure(error: Exception) -> dict[str, object]:
    """Make the verdict.json of a failed check, without folders of this machine."""
    trace = traceback.format_exception(error)
    reason = str(error) if isinstance(error, BenchError) else "".join(trace)
    replacements = list_replacements(Path("results"))
    return {"verdict": "failed", "exit_code": FAILED, "reason": redact(reason, replacements)}


def _report_failure(error: Exception, out: Path) -> int:
    verdict = describe_failure(error)
    text = f"# **The check failed.** It shows nothing.\n\n```\n{verdict['reason']}\n```\n"
    with suppress(OSError):  # the folder or the terminal may have failed
        sys.stderr.write(f"error: {verdict['reason']}\n")
        _write(out / "summary.md", text)
        _write(out / "verdict.json", json.dumps(verdict, indent=1) + "\n")
    return FAILED


def _exit_on_signal(number: int, _: object) -> None:
    sys.exit(128 + number)


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def _print_line(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def format_markdown(verdict: Verdict) -> str:
    """Format the verdict, its reasons and its tables as Markdown."""
    base, head = (commit[:10] for commit in verdict.commits)
    parts = [
        f"# {WORDS[verdict.word]}",
        "\n".join(f"- {reason}" for reason in list_reasons(verdict)),
        f"{len(verdict.rows)} of {verdict.n_expected} benchmarks ran on both sides (base {base}, "
        f"head {head}), each in {_pairs(verdict)} pairs of fresh processes; {verdict.seconds:.0f} "
        f"s in all. A row is slower from {_percent(THRESHOLD)} on. The smallest slowdown "
        f"that this run finds nine times in ten: {_percent(verdict.detectable)} in the worst row.",
        _format_noise_floor(verdict),
        _format_rows(verdict),
        _format_figures(verdict),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def list_reasons(verdict: Verdict) -> list[str]:
    """List the reasons for the verdict. Unchanged rows need no reason."""
    texts = [
        f"`{row.name}` is slower: {_interval(row.estimate)}, seen twice" for row in verdict.slower
    ]
    texts += [
        f"`{f.row}` takes more: {f.name} {f.base:.4g} -> {f.head:.4g} (exact, no clock)"
        for f in verdict.rises
    ]
    if verdict.control_moved:
        texts.append(
            "the control, which has no code of this project, differs or varies: "
            f"{_interval(verdict.control)}. The times of this run show nothing. Run it again"
        )
    texts += [
        f"`{row.name}` varies too much to rule out {_percent(VAGUE)}: {_interval(row.estimate)}"
        for row in verdict.vague
    ]
    texts += [
        f"`{row}` computes a different result than base, so its times do not compare (if that is "
        f"intended: `--accept {row}.output`)"
        for row in verdict.other_output
    ]
    return texts or ["no row differs by more than this run can detect"]


def _format_rows(verdict: Verdict) -> str:
    lines = [
        "| benchmark | base ms | head ms | head / base (95%) | pairs | detects | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in verdict.rows:
        base, head = row.seconds
        n_pairs = str(row.first.n_pairs) + (f" + {row.again.n_pairs}" if row.again else "")
        lines.append(
            f"| {row.name} | {1e3 * base:.3g} | {1e3 * head:.3g} | {_interval(row.estimate)} | "
            f"{n_pairs} | {_percent(row.estimate.detectable)} | {row.status} |"
        )
    control = verdict.control
    state = "moved" if verdict.control_moved else "still"
    lines.append(
        f"| control (no code of this project) | | | {_interval(control)} | {control.n_pairs} | "
        f"{_percent(control.detectable)} | {state} |"
    )
    return "\n".join(lines)


def _format_figures(verdict: Verdict) -> str:
    changed = [f for f in verdict.figures if f.changes]
    head = (
        f"{len(verdict.figures)} figures that need no clock (peak and sum of allocations, passes "
        "over the table, operators) were compared exactly, memory in units of the table; "
    )
    if not changed:
        return head + "none changed."
    lines = [
        head + "these changed (a rise of 1% or more fails):",
        "",
        "| benchmark | figure | base | head | |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for f in changed:
        failing = "rises" if f in verdict.rises else "accepted" if f.rises else ""
        lines.append(f"| {f.row} | {f.name} | {f.base:.5g} | {f.head:.5g} | {failing} |")
    return "\n".join(lines)


def _interval(estimate: Estimate) -> str:
    return f"{estimate.ratio:.3f} ({estimate.low:.3f}..{estimate.high:.3f})"


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):.1f}%"


def _pairs(verdict: Verdict) -> str:
    counts = [row.first.n_pairs for row in verdict.rows]
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _format_noise_floor(verdict: Verdict) -> str:
    if verdict.noise_floor is None:
        return ""
    middle, maximum = map(_percent, verdict.noise_floor)
    return (
        f"Base and head are the same commit, so every difference is noise: {middle} in the median "
        f"row, {maximum} in the worst. That is the noise floor."
    )
