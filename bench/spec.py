"""A benchmark as a TOML file: its tables, methods, seeds and limits."""

import tomllib
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bench.catalog import profiles
from bench.errors import BenchError, unknown

WALL_FACTOR = 10  # default wall-clock limit / CPU limit


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Resources(_Strict):
    """Resources that a cell requests from a scheduler. None: the executor's default.

    Attributes
    ----------
    cores, memory_mib, gpus : of one cell
    minutes : run time of a job with one such cell
    """

    cores: Annotated[int, Field(ge=1)] | None = None
    memory_mib: Annotated[int, Field(ge=1)] | None = None
    gpus: Annotated[int, Field(ge=0)] | None = None
    minutes: Annotated[int, Field(ge=1)] | None = None

    def __or__(self, other: "Resources") -> "Resources":
        """Combine two requests: the maximum of each resource.

        >>> Resources(cores=2) | Resources(cores=1, gpus=1)
        Resources(cores=2, memory_mib=None, gpus=1, minutes=None)
        """
        maxima = {}
        for name in type(self).model_fields:
            values = (getattr(self, name), getattr(other, name))
            maxima[name] = max((value for value in values if value is not None), default=None)
        return Resources(**maxima)


class Choice(_Strict):
    """A table or a method with its parameters.

    An entry of a spec may also have `grid`, lists of values by parameter. It stands for an entry
    for each combination. Its label has a field for each, such as "{layout}, {gate}". The field of a
    truth value is the name of the parameter, after "no" if it is false.

    Attributes
    ----------
    name : name of the dataset, generator or method
    label : name in reports, default `name`
    params : parameters, by name
    replicate : of a method: another number gives other random choices under the same seed, so that
        a method can stand against itself
    n_train : of a table: number of training rows to use, default all (`bench.run.split`)
    resources : requested from a scheduler
    """

    name: str
    label: str = ""
    params: dict[str, Any] = {}
    replicate: Annotated[int, Field(ge=0)] = 0
    n_train: Annotated[int, Field(ge=1)] | None = None
    resources: Resources = Resources()

    @model_validator(mode="before")
    @classmethod
    def _default_label(cls, data: Any) -> Any:
        if isinstance(data, dict) and "name" in data:
            return {"label": data["name"], **data}
        return data


class Limits(_Strict):
    """Limits until the predictions of a cell, and again for the steps after them.

    A cell that exceeds a limit is killed.

    Attributes
    ----------
    cpu_seconds : CPU time of all its processes, which other load hardly affects
    wall_seconds : wall-clock time, to end a cell that hangs, default 10 * `cpu_seconds`
    memory_mib : resident memory added by the cell
    """

    cpu_seconds: Annotated[float, Field(gt=0)] = 600.0
    wall_seconds: Annotated[float, Field(gt=0)] = Field(
        default_factory=lambda limits: WALL_FACTOR * limits["cpu_seconds"]
    )
    memory_mib: Annotated[int, Field(gt=0)] = 8192


class DaskOptions(_Strict):
    """Options of the executor "dask".

    Attributes
    ----------
    address, scheduler_file : a running scheduler (default: a local cluster)
    workers : number of workers of a local cluster (0: equal to `jobs`)
    cores : number of cores of a cell
    connect_seconds : timeout of the connection to the scheduler
    """

    address: str = ""
    scheduler_file: str = ""
    workers: Annotated[int, Field(ge=0)] = 0
    cores: Annotated[int, Field(ge=1)] = 1
    connect_seconds: Annotated[float, Field(gt=0)] = 10.0


class SlurmOptions(_Strict):
    """Options of the executor "slurm": arrays of jobs, submitted through submitit.

    Attributes
    ----------
    cluster : "slurm", or "local" to try a spec with submitit's processes on this machine
    partition : SLURM partition (default: SLURM's)
    cells_per_job : number of cells that a job runs one after the other
    parallel_jobs : maximum number of jobs of an array that run at a time
    requeue : number of times a job that runs out of time is requeued (preempted jobs always are)
    ask_seconds : interval between queries of the jobs' states
    late_seconds : time to wait for a record after the end of its job
    parameters : options of sbatch by name, e.g. account, qos, constraint
    setup : shell lines that run before each job
    """

    cluster: Literal["slurm", "local"] = "slurm"
    partition: str = ""
    cells_per_job: Annotated[int, Field(ge=1)] = 1
    parallel_jobs: Annotated[int, Field(ge=1)] = 256
    requeue: Annotated[int, Field(ge=0)] = 10
    ask_seconds: Annotated[float, Field(gt=0)] = 20.0
    late_seconds: Annotated[float, Field(ge=0)] = 30.0
    parameters: dict[str, Any] = {}
    setup: Annotated[tuple[str, ...], BeforeValidator(lambda value: _to_tuple(value))] = ()


class ExecutorChoice(_Strict):
    """The default of --executor, and the options of each executor."""

    name: Literal["local", "dask", "slurm"] = "local"
    dask: DaskOptions = DaskOptions()
    slurm: SlurmOptions = SlurmOptions()


def _to_tuple(value: Any) -> Any:
    """Turn a list into a tuple: TOML has only lists."""
    return tuple(value) if isinstance(value, list) else value


def _to_tables(value: Any) -> Any:
    """Allow a bare name for a table or a method without parameters, and expand grids."""
    if not isinstance(value, list):
        return value
    items = ({"name": item} if isinstance(item, str) else item for item in value)
    return tuple(expanded for item in items for expanded in _expand_grid(item))


def _expand_grid(item: Any) -> list[Any]:
    """Turn an entry with `grid` into one for each combination of its values, see `Choice`.

    >>> _expand_grid({"name": "x", "label": "{d}, {gate}", "grid": {"d": [2], "gate": [False]}})
    [{'name': 'x', 'label': '2, no gate', 'params': {'d': 2, 'gate': False}}]
    """
    if not isinstance(item, dict) or "grid" not in item:
        return [item]
    bare = {key: value for key, value in item.items() if key != "grid"}
    grid, label = item["grid"], item.get("label", "")
    if not (isinstance(grid, dict) and grid and all(isinstance(v, list) for v in grid.values())):
        message = f"`grid` needs a list of values for each parameter, got {grid!r}"
        raise ValueError(message)
    expanded = []
    for values in product(*grid.values()):
        params = dict(zip(grid, values, strict=True))
        words = {name: _word(name, value) for name, value in params.items()}
        try:
            text = label.format(**words)
        except (IndexError, KeyError) as error:
            message = f"the label {label!r} has a field {error} that `grid` lacks"
            raise ValueError(message) from error
        expanded.append(bare | {"label": text, "params": item.get("params", {}) | params})
    return expanded


def _word(name: str, value: Any) -> str:
    """Return the text of a value in a label."""
    return f"{'' if value else 'no '}{name}" if isinstance(value, bool) else str(value)


def _check_unique(message: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(message.format(repr(repeated[0])))


def _check_unique_labels(**choices: tuple[Choice, ...]) -> None:
    for group, members in choices.items():
        message = group + " share the label {}; give each its own `label`"
        _check_unique(message, [choice.label for choice in members])


Seeds = Annotated[tuple[int, ...], BeforeValidator(_to_tuple)]
Choices = Annotated[tuple[Choice, ...], BeforeValidator(_to_tables)]


SplitKind = Literal["stratified", "random", "folds"]


class Experiment(_Strict):
    """A grid of a spec: every table x every method x every seed.

    Attributes
    ----------
    name : name of the experiment
    seeds, split, datasets, methods : default: those of the spec
    """

    name: str
    seeds: Seeds = ()
    split: SplitKind | None = None
    datasets: Choices = ()
    methods: Choices = ()

    @model_validator(mode="after")
    def _check_labels(self) -> "Experiment":
        _check_unique_labels(datasets=self.datasets, methods=self.methods)
        return self

    def with_methods(self, names: Iterable[str]) -> "Experiment":
        """This grid and further methods with their defaults, those that it lacks."""
        labels = {choice.label for choice in self.methods}
        added = [Choice(name=name, label=name) for name in names if name not in labels]
        return self.model_copy(update={"methods": (*self.methods, *added)})


class Spec(_Strict):
    """A benchmark: one grid (`datasets` and `methods`), or several (`experiments`).

    Attributes
    ----------
    name, description : shown by `bench list profiles`. Results go to results/<name>
    seeds : seeds of the split and the method, and of a generated table
    device : "auto", "cpu", "cuda" or "mps"
    jobs : number of cells that run side by side, each on its share of the cores
    test_fraction : fraction of test rows of a table without an official split, drawn for each seed
    split : "stratified" or "random" test rows of such tables, or "folds": seed s is fold s of
        repeated stratified cross-validation with 1 / `test_fraction` folds
    limits : limits of a cell
    executor : the default executor, and options of each
    """

    name: str
    description: str = ""
    seeds: Annotated[Seeds, Field(min_length=1)] = (0,)
    device: str = "auto"
    jobs: Annotated[int, Field(ge=1)] = 1
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25
    split: SplitKind = "stratified"
    limits: Limits = Limits()
    executor: ExecutorChoice = ExecutorChoice()
    datasets: Choices = ()
    methods: Choices = ()
    experiments: Annotated[tuple[Experiment, ...], BeforeValidator(_to_tuple)] = ()

    @model_validator(mode="after")
    def _check_grids(self) -> "Spec":
        names = [experiment.name for experiment in self.experiments]
        _check_unique("experiments share the name {}; give each its own", names)
        for kind in ("datasets", "methods"):
            if not all(getattr(grid, kind) for grid in self.grids()):
                message = f"needs `{kind}` (or `experiments` that have them)"
                raise ValueError(message)
            own = [getattr(experiment, kind) for experiment in self.experiments]
            if own and all(own) and getattr(self, kind):
                message = "has `experiments`: put `datasets` and `methods` into one of them"
                raise ValueError(message)
        _check_unique_labels(datasets=self.datasets, methods=self.methods)
        return self

    def without_run_options(self) -> "Spec":
        """Return the spec without settings that do not affect results."""
        bare = self.model_dump(exclude={"description", "executor", "jobs"})
        for grid in (bare, *bare["experiments"]):
            for choice in (*grid["datasets"], *grid["methods"]):
                choice["resources"] = {}
        return Spec.model_validate(bare)

    def grids(self) -> tuple[Experiment, ...]:
        """Return the experiments with their tables and methods.

        A spec without experiments has one grid, with an empty name.
        """
        shared = {"datasets": self.datasets, "methods": self.methods}
        return tuple(
            grid.model_copy(update={kind: getattr(grid, kind) or shared[kind] for kind in shared})
            for grid in self.experiments or (Experiment(name=""),)
        )


def load_spec(name_or_path: str) -> tuple[Spec, str]:
    """Read a spec. Return it and its text.

    Parameters
    ----------
    name_or_path : name of a profile, or path of a TOML file

    Raises
    ------
    BenchError
        If the file is missing or is not TOML, or if a key or a value is invalid.
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
    """Parse a spec from TOML text. `where` names the text in errors."""
    try:
        return Spec.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        message = f"{where} is not valid TOML: {error}"
        raise BenchError(message) from error
    except ValidationError as error:
        raise _format_error(error, where) from error


def _format_error(error: ValidationError, where: str) -> BenchError:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        *location, key = first["loc"]
        return unknown(str(key), "key", _list_keys(tuple(location)), f"{where}: {path}")
    return BenchError(f"{where}: {path or 'the spec'}: {first['msg']}, got {first['input']!r}")


def _list_keys(location: tuple[int | str, ...]) -> list[str]:
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
    return [*model.model_fields, *(["grid"] if model is Choice else [])]
