#!/usr/bin/env python3
"""Stand-ins for the commands of SLURM, chosen by the name of the program.

Jobs are processes of this machine. $FAKE_SLURM is the folder of their state: <id>_<task>.state,
.pid, .requeue. `install(folder)` puts the commands into a folder.
"""

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil

COMMANDS = ("sbatch", "srun", "sacct", "scancel", "scontrol")


def install(folder: Path) -> dict[str, str]:
    """Put the commands into folder/bin. Returns the environment that finds them."""
    programs, state = folder / "bin", folder / "state"
    for place in (programs, state):
        place.mkdir(parents=True)
    for name in COMMANDS:
        path = programs / name
        text = Path(__file__).read_text().split("\n", 1)[1]
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "FAKE_SLURM": str(state)}


def states(folder: Path) -> dict[str, str]:
    """The state of every task of every job."""
    return {p.stem: p.read_text() for p in sorted((folder / "state").glob("*.state"))}


def state_folder() -> Path:
    return Path(os.environ["FAKE_SLURM"])


def note(job: str, state: str) -> None:
    path = state_folder() / f"{job}.state"
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(state)
    new.rename(path)


def sbatch(words: list[str]) -> None:
    refuse = state_folder() / "refuse"  # what the script of a refused job contains
    if refuse.exists() and refuse.read_text() in Path(words[-1]).read_text():
        sys.exit("sbatch: error: Batch job submission failed: Invalid account")
    number = 100 + len(list(state_folder().glob("*.sh")))
    script = state_folder() / f"{number}.sh"
    shutil.copy(words[-1], script)
    array = re.search(r"#SBATCH --array=0-(\d+)%(\d+)", script.read_text())
    names = [f"{number}_{i}" for i in range(int(array[1]) + 1)] if array else [str(number)]
    at_a_time = int(array[2]) if array else 1
    for name in names:
        note(name, "PENDING")
    background(sys.executable, __file__, "controller", str(script), str(at_a_time), *names)
    sys.stdout.write(f"Submitted batch job {number}\n")


def background(*words: str, **variables: str) -> subprocess.Popen:
    silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    return subprocess.Popen(words, env={**os.environ, **variables}, process_group=0, **silent)


def controller(words: list[str]) -> None:
    """Run the tasks of an array, `at_a_time` in parallel, and requeued tasks again."""
    script, at_a_time, *names = words
    waiting, running = list(names), {}
    while waiting or running:
        while waiting and len(running) < int(at_a_time):
            name = waiting.pop(0)
            if (state_folder() / f"{name}.state").read_text().startswith("CANCELLED"):
                continue
            running[name] = start(script, name)
        for name, process in list(running.items()):
            code = process.poll()
            if code is None:
                continue
            del running[name]
            requeue = state_folder() / f"{name}.requeue"
            if requeue.exists():
                requeue.unlink()
                note(name, "PENDING")
                waiting.append(name)
            elif (state_folder() / f"{name}.state").read_text() == "RUNNING":
                note(name, "COMPLETED" if code == 0 else "FAILED")
        time.sleep(0.05)


def start(script: str, name: str) -> subprocess.Popen:
    job, _, task = name.partition("_")
    variables = {f"SLURM_{n}": "0" for n in ("NODEID", "PROCID", "LOCALID")}
    variables |= {"SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "node0"}
    variables["SLURM_JOB_ID"] = str(int(job) * 1000 + int(task)) if task else job
    if task:
        variables |= {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": task}
    note(name, "RUNNING")
    process = background("bash", script, **variables)
    (state_folder() / f"{name}.pid").write_text(str(process.pid))
    return process


def srun(words: list[str]) -> None:
    """srun --unbuffered --output X --error Y COMMAND ..."""
    environment = os.environ
    name = environment.get("SLURM_ARRAY_JOB_ID", environment["SLURM_JOB_ID"])
    fill = {"%A": name, "%a": environment.get("SLURM_ARRAY_TASK_ID", ""), "%t": "0", "%j": name}
    targets = {"--output": 1, "--error": 2}
    while words[0].startswith("--"):
        word = words.pop(0)
        if word in targets:
            path = words.pop(0)
            for mark, value in fill.items():
                path = path.replace(mark, value)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(handle, targets[word])
    os.execvp(words[0], words)


def sacct(words: list[str]) -> None:
    wanted = [words[i + 1] for i, word in enumerate(words) if word == "-j"]
    sys.stdout.write("JobID|State|NodeList\n")
    for path in sorted(state_folder().glob("*.state")):
        if path.stem.split("_")[0] in wanted:
            sys.stdout.write(f"{path.stem}|{path.read_text()}|node0\n")


def scancel(words: list[str]) -> None:
    kind = signal.SIGKILL
    if "--signal" in words:
        at = words.index("--signal")
        kind = getattr(signal, "SIG" + words[at + 1].removeprefix("SIG"))
        del words[at : at + 2]
    for path in sorted(state_folder().glob("*.state")):
        if path.stem in words or path.stem.split("_")[0] in words:
            if kind == signal.SIGKILL:
                note(path.stem, "CANCELLED by 0")
            deliver(path.stem, kind)


def deliver(name: str, kind: signal.Signals) -> None:
    """Signal all processes of a task except for its shell, as slurmstepd does."""
    pid = state_folder() / f"{name}.pid"
    if pid.exists():
        deliver_to(int(pid.read_text()), kind)


def deliver_to(pid: int, kind: signal.Signals) -> None:
    """Signal the children of a process, and with SIGKILL also the process."""
    try:
        leader = psutil.Process(pid)
        family = leader.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for process in [*family, *([leader] if kind == signal.SIGKILL else [])]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(kind)


def scontrol(words: list[str]) -> None:
    verb, raw = words
    assert verb == "requeue"
    name = raw
    if "_" not in raw and not (state_folder() / f"{raw}.state").exists():
        name = f"{int(raw) // 1000}_{int(raw) % 1000}"
    (state_folder() / f"{name}.requeue").touch()


if __name__ == "__main__":
    program = Path(sys.argv[0]).name
    if len(sys.argv) > 1 and sys.argv[1] == "controller":
        controller(sys.argv[2:])
    else:
        globals()[program](sys.argv[1:])
