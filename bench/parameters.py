"""Parameters from a spec, checked against what the method, dataset or generator declares."""

import inspect
import json
from collections.abc import Callable
from typing import Any, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

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
    hints = get_type_hints(declared if inspect.isfunction(declared) else declared.__init__)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(declared).parameters.items():
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    for name in given:
        if name not in fields:
            raise unknown(name, "parameter", fields, where)
    model = create_model("Parameters", __config__=ConfigDict(extra="forbid"), **fields)
    try:
        # Strict JSON: no "5" for 5, but an array serves where a tuple is declared.
        return model.model_validate_json(json.dumps(given), strict=True).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        message = f"{where}: parameter {name!r}: {first['msg']}, got {first.get('input')!r}"
        raise BenchError(message) from error


def accepts(declared: Callable[..., Any], name: str) -> bool:
    """Whether a parameter of that name is declared."""
    return name in inspect.signature(declared).parameters
