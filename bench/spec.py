"""A benchmark as a TOML file: which tables, which methods, which seeds, under which limits."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bench.catalog import profiles
from bench.errors import BenchError, unknown

WALL_FACTOR = 10  # a cell that waits for this multiple of its CPU limit hangs


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Resources(_Strict):
    """What a cell asks a scheduler for; None is the executor's default.

    `minutes` is the time of a job of one such cell in all.
    """

    cores: Annotated[int, Field(ge=1)] | None = None
    memory_mib: Annotated[int, Field(ge=1)] | None = None
    gpus: Annotated[int, Field(ge=0)] | None = None
    minutes: Annotated[int, Field(ge=1)] | None = None

    def __or__(self, other: "Resources") -> "Resources":
        """The resources that are enough for both.

        >>> Resources(cores=2) | Resources(cores=1, gpus=1)
        Resources(cores=2, memory_mib=None, gpus=1, minutes=None)
        """
        most = {}
        for name in type(self).model_fields:
            asked = (getattr(self, name), getattr(other, name))
            most[name] = max((value for value in asked if value is not None), default=None)
        return Resources(**most)


class Choice(_Strict):
    """A table or a method with its parameters; `label` is what reports call it."""

    name: str
    label: str = ""
    params: dict[str, Any] = {}
    resources: Resources = Resources()

    @model_validator(mode="before")
    @classmethod
    def _label_is_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and "name" in data:
            return {"label": data["name"], **data}
        return data


class Limits(_Strict):
    """What a cell may use until its predictions, and once more after them, before it is killed.

    `cpu_seconds` are of all its processes, so that a slow or busy machine does not decide a
    result. `wall_seconds`, by default ten times `cpu_seconds`, ends a cell that waits for ever.
    """

    cpu_seconds: Annotated[float, Field(gt=0)] = 600.0
    wall_seconds: Annotated[float, Field(gt=0)] = Field(
        default_factory=lambda known: WALL_FACTOR * known["cpu_seconds"]
    )
    memory_mib: Annotated[int, Field(gt=0)] = 8192


class DaskOptions(_Strict):
    """A dask cluster: its scheduler's `address` or `scheduler_file`; else its own `workers` here.

    A cell gets `cores` of its worker's machine. A scheduler has `connect_seconds` to answer.
    """

    address: str = ""
    scheduler_file: str = ""
    workers: Annotated[int, Field(ge=0)] = 0
    cores: Annotated[int, Field(ge=1)] = 1
    connect_seconds: Annotated[float, Field(gt=0)] = 10.0


class SlurmOptions(_Strict):
    """SLURM, through submitit: arrays of jobs.

    `cells_per_job` run one after the other in a job; at most `parallel_jobs` jobs of an array at a
    time; `parameters` go to sbatch by their names (account, qos, constraint); `setup` are shell
    lines before each job; `requeue` is how often a job that runs out of time comes back (one that
    is preempted always does). SLURM is asked about its jobs every `ask_seconds`; a record may come
    into sight `late_seconds` after the end of its job. `cluster` is "slurm", or "local": submitit's
    processes on this machine, to try a spec out.
    """

    cluster: Literal["slurm", "local"] = "slurm"
    partition: str = ""
    cells_per_job: Annotated[int, Field(ge=1)] = 1
    parallel_jobs: Annotated[int, Field(ge=1)] = 256
    requeue: Annotated[int, Field(ge=0)] = 10
    ask_seconds: Annotated[float, Field(gt=0)] = 20.0
    late_seconds: Annotated[float, Field(ge=0)] = 30.0
    parameters: dict[str, Any] = {}
    setup: Annotated[tuple[str, ...], BeforeValidator(lambda value: _tuple(value))] = ()


class ExecutorChoice(_Strict):
    """Where cells run without --executor, and the options of each executor."""

    name: Literal["local", "dask", "slurm"] = "local"
    dask: DaskOptions = DaskOptions()
    slurm: SlurmOptions = SlurmOptions()


def _tuple(value: Any) -> Any:
    """TOML has lists only."""
    return tuple(value) if isinstance(value, list) else value


def _named(value: Any) -> Any:
    """A method without parameters may be its bare name."""
    if not isinstance(value, list):
        return value
    return tuple({"name": item} if isinstance(item, str) else item for item in value)


def _refuse_repeats(message: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(message.format(repr(twice[0])))


def _require_own_labels(**choices: tuple[Choice, ...]) -> None:
    for group, members in choices.items():
        message = group + " share the label {}; give each its own `label`"
        _refuse_repeats(message, [choice.label for choice in members])


Seeds = Annotated[tuple[int, ...], BeforeValidator(_tuple)]
Choices = Annotated[tuple[Choice, ...], BeforeValidator(_named)]


class Experiment(_Strict):
    """A grid within a spec: every table x every method x every seed.

    `seeds` are by default those of the spec. `split` draws the test rows of a table without an
    official split: "stratified" by class, or "random".
    """

    name: str
    seeds: Seeds = ()
    split: Literal["stratified", "random"] = "stratified"
    datasets: Annotated[Choices, Field(min_length=1)]
    methods: Annotated[Choices, Field(min_length=1)]

    @model_validator(mode="after")
    def _labels_differ(self) -> "Experiment":
        _require_own_labels(datasets=self.datasets, methods=self.methods)
        return self

    def with_methods(self, names: Iterable[str]) -> "Experiment":
        """This grid and further methods with their defaults, those that it lacks."""
        labels = {choice.label for choice in self.methods}
        added = [Choice(name=name, label=name) for name in names if name not in labels]
        return self.model_copy(update={"methods": (*self.methods, *added)})


class Spec(_Strict):
    """A benchmark: one grid (`datasets` and `methods`), or several (`experiments`).

    `test_fraction` is the share of test rows of a table without an official split, drawn anew for
    each seed. `jobs` cells run side by side, each pinned to its share of the cores.
    """

    name: str
    description: str = ""
    seeds: Annotated[Seeds, Field(min_length=1)] = (0,)
    device: str = "auto"
    jobs: Annotated[int, Field(ge=1)] = 1
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25
    limits: Limits = Limits()
    executor: ExecutorChoice = ExecutorChoice()
    datasets: Choices = ()
    methods: Choices = ()
    experiments: Annotated[tuple[Experiment, ...], BeforeValidator(_tuple)] = ()

    @model_validator(mode="after")
    def _one_grid_or_several(self) -> "Spec":
        if self.experiments:
            if self.datasets or self.methods:
                message = "has `experiments`: put `datasets` and `methods` into one of them"
                raise ValueError(message)
            names = [experiment.name for experiment in self.experiments]
            _refuse_repeats("experiments share the name {}; give each its own", names)
            return self
        for kind in ("datasets", "methods"):
            if not getattr(self, kind):
                message = f"needs `{kind}` (or `experiments`)"
                raise ValueError(message)
        _require_own_labels(datasets=self.datasets, methods=self.methods)
        return self

    def what_is_measured(self) -> "Spec":
        """The spec without settings that only decide where and how many cells run."""
        bare = self.model_dump(exclude={"description", "executor", "jobs"})
        for grid in (bare, *bare["experiments"]):
            for choice in (*grid["datasets"], *grid["methods"]):
                choice["resources"] = {}
        return Spec.model_validate(bare)

    def grids(self) -> tuple[Experiment, ...]:
        """The experiments; the spec's own grid is one of no name."""
        if self.experiments:
            return self.experiments
        return (Experiment(name="", datasets=self.datasets, methods=self.methods),)


def load_spec(name_or_path: str) -> tuple[Spec, str]:
    """A shipped profile by name, or a TOML file by path: the spec and its text.

    Raises:
        BenchError: no such profile or file, broken TOML, an unknown key, a value of a wrong type.
    """
    path = profiles().get(name_or_path, Path(name_or_path))
    if path.suffix != ".toml":
        raise unknown(name_or_path, "profile", profiles())
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"the spec {path} cannot be read: {error.strerror}"
        raise BenchError(message) from error
    return parse_spec(text, str(path.name)), text


def parse_spec(text: str, where: str) -> Spec:
    """The spec that a TOML text describes; see `load_spec` for errors."""
    try:
        return Spec.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        message = f"{where} is not valid TOML: {error}"
        raise BenchError(message) from error
    except ValidationError as error:
        raise _explain(error, where) from error


def _explain(error: ValidationError, where: str) -> BenchError:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        *place, key = first["loc"]
        return unknown(str(key), "key", _keys_at(tuple(place)), f"{where}: {path}")
    return BenchError(f"{where}: {path or 'the spec'}: {first['msg']}, got {first['input']!r}")


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Spec
    if location and location[0] == "limits":
        model = Limits
    elif location and location[0] == "executor":
        options: dict[str, type[BaseModel]] = {"dask": DaskOptions, "slurm": SlurmOptions}
        model = options[str(location[1])] if len(location) > 1 else ExecutorChoice
    elif "resources" in location:
        model = Resources
    elif location:
        model = Choice if {"datasets", "methods"} & set(location) else Experiment
    return list(model.model_fields)
