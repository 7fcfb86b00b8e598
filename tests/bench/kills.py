"""Kill a run, or the process of one of its cells, at random moments; then let it finish.

    python tests/bench/kills.py 20 --out FILE.json

The finished table must equal that of an undisturbed run, times aside; a finished cell must not be
run again; no record may be half-written.
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
seeds = [0, 1, 2]
jobs = 2
datasets = ["digits", {name = "shuffled_mnist", label = "shuffled", params = {base = "digits"}}]
methods = ["majority", "stump", "nearest_neighbours", "logistic", "univariate", NETWORKS
           {name = "random_forest", params = {n_trees = 60}}]
[limits]
timeout_seconds = 60
memory_mib = 2000
"""
NETWORKS = (
    """{name = "mlp", params = {epochs = 3}}, {name = "deepmapper", params = {epochs = 2}},"""
)


def start(spec: Path, out: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "bench", "run", str(spec), "--no-report", "--out", str(out)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(words, cwd=ROOT, stdout=quiet, stderr=quiet, start_new_session=True)


def table_of(out: Path) -> dict[str, Any]:
    """What a run found, without times: by key, status, metrics and predictions."""
    sys.path.insert(0, str(ROOT))
    from bench.store import Store

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


def cell_processes(pid: int) -> list[psutil.Process]:
    """The processes of the cells of a run; none where it has just ended."""
    try:
        children = psutil.Process(pid).children()
        servers = [p for p in children if "bench.server" in " ".join(p.cmdline())]
        return [cell for server in servers for cell in server.children()]
    except psutil.NoSuchProcess:
        return []


def wait_for_cells(run: subprocess.Popen[bytes], out: Path, n: int) -> None:
    """Until n records are there, or the run has ended."""
    while run.poll() is None and len(stamps(out)) < n:
        time.sleep(0.01)


def disturb(rounds: int, seed: int = 0, networks: str = NETWORKS) -> dict[str, Any]:
    """The whole experiment; the counts of what was killed and whether all held."""
    rng = random.Random(seed)
    facts = {"rounds": rounds, "runs_killed": 0, "cells_killed": 0, "repeated": 0, "broken": 0}
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "spec.toml"
        spec.write_text(SPEC.replace("NETWORKS", networks))
        calm, wild = Path(folder) / "calm", Path(folder) / "wild"
        if start(spec, calm).wait():
            message = "the undisturbed run failed"
            raise RuntimeError(message)
        expected = table_of(calm)
        for round_ in range(rounds):
            before = stamps(wild) if wild.exists() else {}
            run = start(spec, wild)
            # Spread the kills over the run's life: loading, making tables, cells, report.
            wait_for_cells(run, wild, round_ * len(expected) // rounds)
            time.sleep(rng.uniform(0, 0.5))
            victims = cell_processes(run.pid)
            if victims and round_ % 2:
                with contextlib.suppress(psutil.NoSuchProcess):
                    victims[0].kill()
                facts["cells_killed"] += 1
                time.sleep(rng.uniform(0, 0.3))
            if run.poll() is None:
                os.kill(run.pid, signal.SIGKILL)
                facts["runs_killed"] += 1
            run.wait()
            after = stamps(wild) if (wild / "cells").exists() else {}
            facts["repeated"] += sum(after.get(name, 0) != stamp for name, stamp in before.items())
            facts["broken"] += sum(not _is_whole(wild / "cells" / name) for name in after)
        last = start(spec, wild).wait()
        facts["finished"] = last == 0
        facts["equal"] = table_of(wild) == expected
        facts["cells"] = len(expected)
    return facts


def _is_whole(path: Path) -> bool:
    try:
        return json.loads(path.read_text())["key"] == path.stem
    except (json.JSONDecodeError, KeyError):
        return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--out", type=Path)
    words = parser.parse_args()
    text = json.dumps(disturb(words.rounds), indent=1)
    if words.out:
        words.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")
