"""Rows that a program adds to the tables of choices: their parameters, source and origin."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from bpexp.errors import ConfigError, quoted
from bpexp.nn.choices import SOURCE, Choice, require
from bpexp.register.source import digest


@dataclass(frozen=True)
class Registered:
    """A row that was added.

    Attributes:
        group: the key that chooses the row, or `measure`.
        function: the function that was registered.
        package: NAME==VERSION of the package whose entry point registered the function, which any
            process can import; empty if the program itself registered it.
    """

    group: str
    function: Callable[..., Any]
    package: str = ""

    @property
    def importable(self) -> bool:
        """Whether a new process can import the function; it cannot if a notebook defines it."""
        if self.function.__module__ not in ("__main__", "__mp_main__"):
            return True
        main = getattr(sys.modules["__main__"], "__file__", None)
        return main is not None and self.file is not None and Path(main).samefile(self.file)

    @property
    def file(self) -> Path | None:
        """The file that defines the function; None for a notebook."""
        file = Path(inspect.unwrap(self.function).__code__.co_filename)
        return file if file.is_file() else None


_REGISTERED: dict[tuple[str, str], Registered] = {}
_loading: list[str] = []  # the package whose entry point is being imported


def registered(group: str) -> list[str]:
    """Return the names that were added to the table of a key."""
    return [name for key, name in _REGISTERED if key == group]


def used(choices: Iterable[tuple[str, Choice]]) -> list[Registered]:
    """Return the registered rows among choices.

    Args:
        choices: pairs of a key and the choice that it has.
    """
    found = {(group, choice.name) for group, choice in choices}
    return [row for key, row in _REGISTERED.items() if key in found]


def add(
    group: str, table: MutableMapping[str, Any], function: Callable[..., Any], row: Any
) -> None:
    """Add a row to a table under the function's name.

    Raises:
        ConfigError: another module has added a row of this name, or bpexp has one.
    """
    name = function.__name__
    before = _REGISTERED.get((group, name))
    if before is None and name in table:
        raise ConfigError(f"{group}: {name} is a name of bpexp's own; choose another")
    if before is not None and _module(before.function) != _module(function):
        where = before.function.__module__
        raise ConfigError(f"{group}: {name} is registered by {where} already; choose another name")
    table[name] = row
    _REGISTERED[group, name] = Registered(group, function, _loading[-1] if _loading else "")


def make_row(
    group: str,
    function: Callable[..., Any],
    build: Callable[..., Any],
    *,
    extra: tuple[Parameter, ...] = (),
    with_source: bool = True,
) -> Callable[..., Any]:
    """Return a row of a table: a factory of keyword parameters with the name of `function`.

    Args:
        group: the key that chooses the row.
        function: determines the name, the docstring and the parameters, which are those with a
            default.
        build: called with these parameters; returns what the table's factories return.
        extra: further parameters of `build`.
        with_source: whether the row has the parameter SOURCE, the digest of the function's source.
            It is recorded in a run's configuration, so that runs of an edited function have another
            identity, and a run of an earlier version is refused instead of computed with this one.

    Raises:
        ConfigError: a parameter has no default, or its default has a type that configurations do
            not allow.
    """
    name = function.__name__
    own = [_parameter(f"{group} {name}", parameter) for parameter in keywords(function)]
    own += [parameter for parameter in extra if parameter.name not in {p.name for p in own}]
    source = digest(function) if with_source else ""
    # Cached, because the checks take milliseconds and every run builds its rows. Data sets have a
    # cache of their own.
    make = lru_cache(maxsize=64, typed=True)(build) if with_source else build

    def row(**given: Any) -> Any:
        known = given.pop(SOURCE, source)
        require(SOURCE, known, f"{source!r}: {name} was edited since", known == source)
        return make(**{parameter.name: parameter.default for parameter in own} | given)

    shown = [*own, keyword(SOURCE, source)] if with_source else own
    row.__signature__ = Signature(shown)  # type: ignore[attr-defined]
    row.__name__, row.__qualname__, row.__module__ = name, name, function.__module__
    row.__doc__ = inspect.getdoc(function) or f"Registered by {function.__module__}."
    return row


def positional(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters without a default."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is Parameter.empty and p.kind != p.KEYWORD_ONLY]


def keywords(function: Callable[..., Any]) -> list[Parameter]:
    """Return the parameters with a default, with their annotations evaluated."""
    given, names = inspect.signature(function, eval_str=True).parameters, positional(function)
    return [parameter for name, parameter in given.items() if name not in names]


def keyword(name: str, default: Any, annotation: Any = None) -> Parameter:
    """Return a parameter that a row adds, annotated with the type of its default."""
    return Parameter(
        name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation or type(default)
    )


def _parameter(label: str, parameter: Parameter) -> Parameter:
    """Return a keyword parameter, annotated.

    Raises:
        ConfigError: the parameter cannot be a key of a configuration.
    """
    allowed = (bool, int, float, str, type(None))
    default = parameter.default
    if parameter.name in (SOURCE, "name") or type(default) not in allowed:
        raise ConfigError(
            f"{label}: the parameter {quoted(str(parameter))} is not a key of a configuration: it "
            f"has a default that is a number, text, a boolean or None, and is not called {SOURCE} "
            "or name"
        )
    given = parameter.annotation
    annotation = type(default) if given is Parameter.empty else given
    return keyword(parameter.name, default, annotation)


def _module(function: Callable[..., Any]) -> str:
    """Return a function's module; a script has the same name in processes that import it again."""
    return function.__module__.replace("__mp_main__", "__main__")
