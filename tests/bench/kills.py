"""Kill a run or one of its processes at random moments, then let it finish.

    python tests/bench/kills.py 20
    python tests/bench/kills.py 50 --seeds 25 --quick [--executor dask]      300 cells
    python tests/bench/kills.py 50 --seeds 10 --quick --fronts 20 --slow-folder

With --fronts, that many runs work in one folder, each with cells of its own choice.
The finished table must equal that of an undisturbed run, except for times. No finished cell may run
again, and no record may be half-written.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
SPEC = """
name = "kills"
seeds = SEEDS
jobs = 2
datasets = ["digits", {name = "shuffled_mnist", label = "shuffled", params = {base = "digits"}}]
methods = [METHODS]
[limits]
cpu_seconds = 60
memory_mib = 2000
"""
FEW = """"majority", "stump", {name = "random_forest", params = {n_trees = 60}}"""
QUICK = FEW + """, "nearest_neighbours", "logistic", "univariate" """
ALL = (
    f"""{QUICK}, {{name = "mlp", params = {{epochs = 3}}}}, """
    """{name = "deepmapper", params = {epochs = 2}}"""
)


# Loaded by every Python process of a run: its folder answers late, as a shared folder does.
SLOW_FOLDER = """
import os, random, time
for name in ("replace", "rename", "unlink", "link", "open"):
    def late(*args, _call=getattr(os, name), **options):
        time.sleep(random.uniform(0, 0.02))
        return _call(*args, **options)
    setattr(os, name, late)
"""


def start(
    spec: Path, out: Path, executor: str, *selection: str, slow: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start a run of the selected cells; `slow` is a folder that makes its file system slow."""
    arguments = [sys.executable, "-m", "bench", "run", str(spec), "--no-report", "--out", str(out)]
    arguments += ["--executor", executor, *selection]
    environment = os.environ | ({} if slow is None else {"PYTHONPATH": str(slow)})
    quiet = subprocess.DEVNULL
    with (out.parent / "errors.txt").open("ab") as errors:
        return subprocess.Popen(
            arguments,
            cwd=ROOT,
            stdout=quiet,
            stderr=errors,
            start_new_session=True,
            env=environment,
        )


def table_of(out: Path) -> dict[str, Any]:
    """The results of a run, without times: by key, status, metrics and predictions."""
    sys.path.insert(0, str(ROOT))
    from bench.store.store import Store

    store = Store(out)
    return {
        record["key"]: (
            record["status"],
            record["metrics"],
            store.artifact(record["key"])["probabilities"].tobytes(),
        )
        for record in store.records()
    }


def stamps(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "cells").glob("*.json")}


def victims(pid: int) -> list[psutil.Process]:
    """The processes of cells and the workers of dask. Empty if the run has ended."""
    try:
        family = psutil.Process(pid).children(recursive=True)
        servers = [
            p for p in family if str(ROOT / "bench" / "machine" / "server.py") in p.cmdline()
        ]
        cells = [cell for server in servers for cell in server.children()]
        return cells + [p.parent() for p in servers if p.ppid() != pid]
    except psutil.NoSuchProcess:
        return []


def wait_for_cells(run: subprocess.Popen[bytes], out: Path, n: int) -> None:
    """Wait until the run has n records or has ended."""
    while run.poll() is None and len(stamps(out)) < n:
        time.sleep(0.01)


def disturb(
    rounds: int,
    seed: int = 0,
    methods: str = ALL,
    *,
    n_seeds: int = 3,
    executor: str = "local",
    runs_killed: float = 1.0,
) -> dict[str, Any]:
    """Run the experiment. Returns the number of kills and of broken promises.

    Args:
        rounds: number of kills. Half of them hit a process of the run, if it has one.
        runs_killed: the share of the rounds that end with the death of the run itself.
    """
    rng = random.Random(seed)
    facts = {"executor": executor, "rounds": rounds, "runs_killed": 0, "processes_killed": 0}
    facts |= {"repeated": 0, "broken": 0}
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.toml"
        text = SPEC.replace("METHODS", methods).replace("SEEDS", str(list(range(n_seeds))))
        spec.write_text(text)
        calm, wild = Path(folder) / "calm", Path(folder) / "wild"
        if start(spec, calm, executor).wait():
            message = "the undisturbed run failed"
            raise RuntimeError(message)
        expected = table_of(calm)
        run = start(spec, wild, executor)
        for round_ in range(rounds):
            before = stamps(wild) if wild.exists() else {}
            # Spread the kills over the run's life: loading, making tables, cells, report.
            wait_for_cells(run, wild, round_ * len(expected) // rounds)
            time.sleep(rng.uniform(0, 0.5))
            processes = victims(run.pid)
            if processes and round_ % 2:
                with contextlib.suppress(psutil.NoSuchProcess, AttributeError):
                    rng.choice(processes).kill()
                facts["processes_killed"] += 1
                time.sleep(rng.uniform(0, 0.3))
            if run.poll() is not None or rng.random() < runs_killed:
                if run.poll() is None:
                    os.kill(run.pid, signal.SIGKILL)
                    facts["runs_killed"] += 1
                run.wait()
                run = start(spec, wild, executor) if round_ < rounds - 1 else run
            after = stamps(wild) if (wild / "cells").exists() else {}
            facts["repeated"] += sum(after.get(name, 0) != stamp for name, stamp in before.items())
            facts["broken"] += sum(not _is_whole(wild / "cells" / name) for name in after)
        run.wait()
        facts["finished"] = start(spec, wild, executor).wait() == 0
        facts["equal"] = table_of(wild) == expected
        facts["cells"] = len(expected)
    return facts


def storm(
    kills: int, n_fronts: int, *, n_seeds: int = 4, seed: int = 0, slow: bool = False
) -> dict[str, Any]:
    """Kill runs that share a folder, and their processes. Returns the counts of `disturb`.

    repeated, lost: finished cells whose record changed or vanished. A cell that was killed after
    its predictions, during attribution, has status "ok" and is transient: it is repeated.
    failed: the last line of runs that ended with an error by themselves.
    """
    rng = random.Random(seed)
    facts: dict[str, Any] = {"fronts": n_fronts, "slow_folder": slow, "failed": []}
    facts |= dict.fromkeys(("runs_killed", "processes_killed", "repeated", "broken", "lost"), 0)
    methods = ["majority", "stump", "random_forest", "nearest_neighbours", "logistic", "univariate"]
    with tempfile.TemporaryDirectory() as folder:
        spec, late = Path(folder) / "spec.toml", Path(folder) / "late"
        late.mkdir()
        (late / "sitecustomize.py").write_text(SLOW_FOLDER)
        text = SPEC.replace("METHODS", QUICK).replace("SEEDS", str(list(range(n_seeds))))
        spec.write_text(text)
        calm, wild = Path(folder) / "calm", Path(folder) / "wild"
        if start(spec, calm, "local").wait():
            message = "the undisturbed run failed"
            raise RuntimeError(message)
        expected = table_of(calm)

        def front() -> subprocess.Popen[bytes]:
            seeds = sorted(rng.sample(range(n_seeds), rng.randint(1, n_seeds)))
            chosen = rng.sample(methods, rng.randint(1, len(methods)))
            selection = ("--seeds", ",".join(map(str, seeds)), "--methods", ",".join(chosen))
            return start(spec, wild, "local", *selection, slow=late if slow else None)

        def note_end(process: subprocess.Popen[bytes]) -> None:
            if process.wait() not in (0, -signal.SIGKILL):
                lines = (Path(folder) / "errors.txt").read_text().splitlines()
                error = [line for line in lines if line.startswith("error")][-1:]
                killed = error and "process that forks the jobs ended with code -9" in error[0]
                facts["failed"] += [] if killed else error  # `victims` may be that process

        fronts = [front() for _ in range(n_fronts)]
        before: dict[str, int] = {}
        while facts["runs_killed"] + facts["processes_killed"] < kills:
            # Before the first cell, during cells, and after them: spread over all cells.
            n_kills = facts["runs_killed"] + facts["processes_killed"]
            target = max(len(before) + rng.randint(0, 4), n_kills * len(expected) // kills)
            longest = 20 if len(before) < len(expected) else 1
            end = time.monotonic() + rng.uniform(0, longest)
            while len(stamps(wild)) < target and time.monotonic() < end:
                time.sleep(0.02)
            i = rng.randrange(n_fronts)
            processes = victims(fronts[i].pid)
            if processes and rng.random() < 0.5:
                with contextlib.suppress(psutil.NoSuchProcess, AttributeError):
                    rng.choice(processes).kill()
                facts["processes_killed"] += 1
            elif fronts[i].poll() is None:
                os.kill(fronts[i].pid, signal.SIGKILL)
                facts["runs_killed"] += 1
            if fronts[i].poll() is not None:
                note_end(fronts[i])
                fronts[i] = front()
            after = {name: stamp for name, stamp in stamps(wild).items() if _is_ok(wild, name)}
            facts["lost"] += len(set(before) - set(after))
            facts["repeated"] += sum(after.get(name, s) != s for name, s in before.items())
            facts["broken"] += sum(not _is_whole(path) for path in wild.glob("cells/*.json"))
            before = after
            sys.stderr.write(f"\r{n_kills} of {kills} kills, {len(after)} cells ok ")
        for process in fronts:
            note_end(process)
        facts["cells_before_the_last_run"] = len(stamps(wild))
        facts["finished"] = start(spec, wild, "local").wait() == 0
        facts["equal"] = table_of(wild) == expected
        facts["cells"] = len(expected)
    return facts


def _is_ok(out: Path, name: str) -> bool:
    """Whether a record is of a cell that ended well. Others may run again."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        record = json.loads((out / "cells" / name).read_text())
        return record["status"] == "ok" and not record["transient"]
    return False


def _is_whole(path: Path) -> bool:
    try:
        return json.loads(path.read_text())["key"] == path.stem
    except FileNotFoundError:  # a cell that was killed runs again
        return True
    except (json.JSONDecodeError, KeyError):
        return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--seeds", type=int, default=3, help="12 cells each, 16 with networks")
    parser.add_argument("--quick", action="store_true", help="no networks, most kills of cells")
    parser.add_argument("--executor", default="local")
    parser.add_argument("--fronts", type=int, default=1, help="runs that share the folder")
    parser.add_argument("--slow-folder", action="store_true")
    arguments = parser.parse_args()
    if arguments.fronts > 1:
        n_fronts, slow = arguments.fronts, arguments.slow_folder
        facts = storm(arguments.rounds, n_fronts, n_seeds=arguments.seeds, slow=slow)
        sys.stdout.write(json.dumps(facts, indent=1) + "\n")
        sys.exit()
    quick: dict[str, Any] = {"methods": QUICK, "runs_killed": 0.3} if arguments.quick else {}
    facts = disturb(arguments.rounds, n_seeds=arguments.seeds, executor=arguments.executor, **quick)
    sys.stdout.write(json.dumps(facts, indent=1) + "\n")
