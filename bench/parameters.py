"""Parameters from a spec, checked against what the method, dataset or generator declares."""

import inspect
import json
from collections.abc import Callable
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from bench.errors import BenchError, unknown


def resolve_parameters(
    declared: Callable[..., Any], given: dict[str, Any], where: str
) -> dict[str, Any]:
    """The given parameters with the declared defaults filled in, as JSON values.

    Args:
        declared: a `Params` dataclass or a `load` function; its signature is the declaration.
        given: the table `params` of a spec.
        where: named in errors.

    Raises:
        BenchError: an unknown parameter, or a value of the wrong type.
    """
    model = _model_of(declared)
    for name in given:
        if name not in model.model_fields:
            raise unknown(name, "parameter", model.model_fields, where)
    try:
        # Strict JSON: no "5" for 5, but an array serves where a tuple is declared.
        return model.model_validate_json(json.dumps(given), strict=True).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = f"{where}: parameter {name!r}: {first['msg']}, got {first.get('input')!r}"
        raise BenchError(message) from error


@cache  # a grid of thousands of cells asks for a few declarations
def _model_of(declared: Callable[..., Any]) -> type[BaseModel]:
    hints = get_type_hints(declared if inspect.isfunction(declared) else declared.__init__)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(declared).parameters.items():
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    return create_model("Parameters", __config__=ConfigDict(extra="forbid"), **fields)


def accepts(declared: Callable[..., Any], name: str) -> bool:
    """Whether a parameter of that name is declared."""
    return name in inspect.signature(declared).parameters
