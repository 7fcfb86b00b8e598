"""A benchmark as a TOML file: which tables, which methods, which seeds, under which limits."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bench.catalog import profiles
from bench.errors import BenchError, unknown


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Choice(_Strict):
    """A table or a method with its parameters; `label` is what reports call it."""

    name: str
    label: str = ""
    params: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _label_is_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and "name" in data:
            return {"label": data["name"], **data}
        return data


class Limits(_Strict):
    """What one cell may use; past it, it is killed and recorded as such."""

    timeout_seconds: Annotated[float, Field(gt=0)] = 600.0
    memory_mib: Annotated[int, Field(gt=0)] = 8192


def _whole_numbers(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _named(value: Any) -> Any:
    """A method without parameters may be its bare name."""
    if not isinstance(value, list):
        return value
    return tuple({"name": item} if isinstance(item, str) else item for item in value)


class Spec(_Strict):
    """A grid: every table x every method x every seed.

    `test_fraction` is the share of rows held out, stratified by class and drawn anew for each
    seed, where a table has no official split. `jobs` cells run side by side, each pinned to its
    share of the cores.
    """

    name: str
    description: str = ""
    seeds: Annotated[tuple[int, ...], BeforeValidator(_whole_numbers), Field(min_length=1)] = (0,)
    device: str = "auto"
    jobs: Annotated[int, Field(ge=1)] = 1
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.25
    limits: Limits = Limits()
    datasets: Annotated[tuple[Choice, ...], BeforeValidator(_named), Field(min_length=1)]
    methods: Annotated[tuple[Choice, ...], BeforeValidator(_named), Field(min_length=1)]

    @model_validator(mode="after")
    def _labels_differ(self) -> "Spec":
        for kind in ("datasets", "methods"):
            labels = [choice.label for choice in getattr(self, kind)]
            twice = sorted({label for label in labels if labels.count(label) > 1})
            if twice:
                message = f"{kind} share the label {twice[0]!r}; give each its own `label`"
                raise ValueError(message)
        return self


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
        return unknown(
            str(first["loc"][-1]), "key", _keys_at(first["loc"][:-1]), f"{where}: {path}"
        )
    return BenchError(f"{where}: {path or 'the spec'}: {first['msg']}, got {first['input']!r}")


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Spec
    if location:
        model = Limits if location[0] == "limits" else Choice
    return list(model.model_fields)
