"""The environment of a run: the processor's instructions and accelerators."""

from pathlib import Path

import pytest

from bench.machine import environment as module
from bench.machine.environment import CPU_FEATURES, cpu_features, environment

FLAGS = "processor\t: {}\nmodel name\t: AMD EPYC\nflags\t\t: fpu sse4_2 {} hypervisor\n\n"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("avx avx2 avx512f avx512vl avx512_bf16", ["avx2", "avx512f", "avx512_bf16"]),
        ("amx_bf16 avx512f avx2", ["avx2", "avx512f", "amx_bf16"]),
        ("avx2 avx512_bf16x", ["avx2"]),
        ("avx", []),
    ],
)
def test_the_features_are_those_among_the_flags(flags: str, expected: list[str]) -> None:
    assert cpu_features(FLAGS.format(0, flags) + FLAGS.format(1, flags)) == expected


@pytest.mark.parametrize(
    "info", ["", "Features\t: fp asimd\nvmx flags\t: vnmi avx2\n", "flags\t:\n"]
)
def test_without_flags_there_are_none(info: str) -> None:
    assert cpu_features(info) == []


@pytest.mark.parametrize(("node", "expected"), [("null", False), ("nvidia0", True), ("kfd", True)])
def test_a_driver_shows_in_its_devices(
    node: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / node).touch()
    monkeypatch.setattr(module, "DEVICES", tmp_path)
    monkeypatch.setattr(module.sys, "platform", "linux")
    assert module.may_have_accelerator.__wrapped__() is expected


def test_the_environment_has_the_features_of_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(environment()["cpu_features"]) <= set(CPU_FEATURES)
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(module, "CPU_INFO", info)
    assert environment.__wrapped__()["cpu_features"] == []
    info.write_text(FLAGS.format(0, "avx2"))
    described = environment.__wrapped__()
    assert (described["cpu"], described["cpu_features"]) == ("AMD EPYC", ["avx2"])
