"""Keyword parameters of a factory, checked by the types that its signature declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from bpexp.errors import ConfigError, one_of, out_of_range

LARGEST = 1e30  # of a number: it and its square must fit in what computes with it
KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "text"}


def check_parameters(
    group: str, name: str, factory: Callable[..., Any], given: Mapping[str, object]
) -> dict[str, Any]:
    """Return the parameters of a table's row, defaults filled in, each in its declared type.

    Args:
        group: the key that chooses the row, for messages.
        name: of the row.
        factory: the row, whose parameters are annotated with bool, int, float, str and None.
        given: parameters by name.

    Raises:
        ConfigError: an unknown parameter, a value of another type, or a number beyond LARGEST.
    """
    signature = _signature(factory)
    checked = {}
    for key, value in given.items():
        if key not in signature:
            raise ConfigError(
                one_of(f"{group}.{key}", key, signature)
                if signature
                else f"{group}.{key}: {group} {name} takes no parameters"
            )
        checked[key] = _check(f"{group}.{key}", signature[key].annotation, value)
    return checked | {k: p.default for k, p in signature.items() if k not in checked}


@cache
def _signature(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return a factory's parameters; to find them takes longer than all else of a check."""
    return inspect.signature(factory, eval_str=True).parameters


def is_number(value: object) -> bool:
    """Return whether a value is an int or a float; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check(field: str, annotation: Any, value: object) -> Any:
    """Return a parameter in the type that its factory declares."""
    kinds = getattr(annotation, "__args__", (annotation,))
    if float in kinds and is_number(value):
        value = float(value)  # type: ignore[arg-type]
    nothing = value is None and type(None) in kinds
    if not nothing and type(value) not in kinds:
        allowed = " or ".join(KINDS.get(kind, "null") for kind in kinds)
        raise ConfigError(out_of_range(field, value, allowed))
    if isinstance(value, int | float) and abs(value) > LARGEST:
        raise ConfigError(out_of_range(field, value, f"at most {LARGEST:g} in absolute value"))
    return value
