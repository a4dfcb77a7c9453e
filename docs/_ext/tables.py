"""The tables of the reference, computed from the tables of the code; without Sphinx.

Text in backticks is code. What a row is stands in the docstring of what makes it: the paragraphs
before its sections.
"""

from __future__ import annotations

import inspect
import re
import types
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpexp.analysis.signal import GRADIENT
from bpexp.analysis.verdict import TRAINING, VERDICTS
from bpexp.commands import COMMANDS
from bpexp.config import defaults
from bpexp.config.keys import ORIGINAL, Group, Key
from bpexp.config.schema import IDENTITY_KEYS, KEYS, RUNTIME_KEYS
from bpexp.errors import BpexpError
from bpexp.figures import FIGURES
from bpexp.nn.tasks import TASKS
from bpexp.probes import INSTRUMENTS, Instrument
from bpexp.record.metrics import METRICS

Cell = str | list[str]
"""A text, or the entries of a list."""

CONF = Path(__file__).parents[2] / "conf"
NULL = types.NoneType
KINDS = {int: "integer", float: "number", str: "text", bool: "true or false", NULL: "null"}
SECTION = re.compile(r"\n\n(?:Args|Attributes|Returns|Raises|Yields):\n")


@dataclass(frozen=True)
class Table:
    """A table: its columns with their widths, and a row for each name in the first of them."""

    columns: dict[str, int]
    rows: dict[str, tuple[Cell, ...]]


def describe(made: object) -> str:
    """Return a docstring without its sections, on one line."""
    text = SECTION.split(inspect.getdoc(made) or "")[0]
    return " ".join(text.split())


def summary(made: object) -> str:
    """Return a docstring's first line."""
    return (inspect.getdoc(made) or "").partition("\n")[0]


def keys(of: Mapping[str, Key | Group]) -> Table:
    """Return what each key is for, its default, what it takes, and its value in older records."""
    values = defaults(CONF)
    rows: dict[str, tuple[Cell, ...]] = {}
    for name, key in of.items():
        takes = [_allowed(key)]
        if key.neutral is not ORIGINAL:
            takes.append(f"neutral value: `{_value(_neutral(key.neutral))}`")
        rows[name] = (_sentence(key.meaning), f"`{_value(values[name])}`", takes)
    return Table({"key": 18, "what it is": 32, "default": 15, "what it takes": 35}, rows)


def group(name: str) -> Table:
    """Return the rows that a group's key chooses from, with their parameters."""
    key = KEYS[name]
    assert isinstance(key, Group)
    rows: dict[str, tuple[Cell, ...]] = {
        row: (describe(factory), parameters(f"{name}.", factory))
        for row, factory in key.table.items()
    }
    return Table({name: 18, "what it is": 42, "parameters": 40}, rows)


def parameters(prefix: str, factory: Callable[..., Any]) -> list[str]:
    """Return a line for each parameter of a factory: key, type, default, range or meaning."""
    documented = _arguments(factory)
    lines = []
    for name, parameter in inspect.signature(factory, eval_str=True).parameters.items():
        kinds = getattr(parameter.annotation, "__args__", (parameter.annotation,))
        kind = " or ".join(KINDS[kind] for kind in kinds)
        about = documented.get(name) or allowed(factory, name, kinds) or kind
        about = about if kind in about else f"{kind}; {about}"
        lines.append(f"`{prefix}{name}` = `{_value(parameter.default)}`: {about}")
    return lines


def allowed(factory: Callable[..., Any], name: str, kinds: tuple[type, ...]) -> str:
    """Return the range of a parameter, as its factory words it when it refuses a value."""
    refused = float("nan") if {int, float} & {*kinds} else "?"
    if str not in kinds and refused == "?":
        return ""
    try:
        factory(**{name: refused})
    except (ValueError, BpexpError) as error:
        return str(error).partition(" is not ")[2]
    return ""


def instruments() -> Table:
    """Return every instrument, with its dimensions and how it is chosen."""
    rows: dict[str, tuple[Cell, ...]] = {
        name: (describe(row.measure), ", ".join(row.dims) or "none", _chosen(name, row))
        for name, row in INSTRUMENTS.items()
    }
    return Table({"instrument": 21, "what it is": 43, "dimensions": 12, "measured": 24}, rows)


def words(column: str, of: Mapping[str, str]) -> Table:
    """Return a table that maps names to texts."""
    return Table(
        {column: 28, "what it is": 72}, {name: (_sentence(text),) for name, text in of.items()}
    )


def tasks() -> Table:
    """Return what the targets of each task are, its costs and its metrics."""
    rows: dict[str, tuple[Cell, ...]] = {}
    for name, task in TASKS.items():
        output = "".join(f" cost.{key}={value}" for key, value in task.cost.parameters.items())
        rows[name] = (
            "labels, 0 .. K - 1" if task.labels else "K numbers an example",
            f"`cost={task.cost.name}{output}`",
            [f"`{metric}`: {meaning}" for metric, meaning in task.metrics.items()],
        )
    return Table({"task": 14, "targets": 18, "its cost": 28, "metrics, primary first": 40}, rows)


def figures() -> Table:
    """Return every figure that a sweep draws of its own accord."""
    rows: dict[str, tuple[Cell, ...]] = {
        name: (summary(spec.draw), f"`{spec.draw.__name__}`") for name, spec in FIGURES.items()
    }
    return Table({"file": 26, "what it is": 48, "function of bpexp.figures": 26}, rows)


def commands() -> Table:
    """Return the subcommands with their arguments."""
    rows: dict[str, tuple[Cell, ...]] = {}
    for name, command in COMMANDS.items():
        parser = ArgumentParser(add_help=False)
        command.add(parser)
        lines = [
            f"`{' '.join(action.option_strings) or action.dest.upper()}`: {action.help}"
            for action in parser._actions
        ]
        rows[name] = (describe(command.run), lines)
    return Table({"command": 12, "what it does": 44, "arguments": 44}, rows)


TABLES: dict[str, Callable[[], Table]] = {
    "identity-keys": lambda: keys(IDENTITY_KEYS),
    "runtime-keys": lambda: keys(RUNTIME_KEYS),
    **{name: lambda name=name: group(name) for name, key in KEYS.items() if isinstance(key, Group)},
    "task": tasks,
    "instrument": instruments,
    "metric": lambda: words("metric", METRICS),
    "verdict": lambda: words("verdict", VERDICTS),
    "gradient": lambda: words("gradient", GRADIENT),
    "training": lambda: words("training", TRAINING),
    "figure": figures,
    "command": commands,
}
"""Every table of the reference by the name that pages give it."""


def _arguments(made: object) -> dict[str, str]:
    """Return what a docstring's section Args says of each argument."""
    section = re.search(r"\nArgs:\n(.*?)(?:\n\n|\Z)", inspect.getdoc(made) or "", re.S)
    entries = re.findall(
        r"^    (\w+): (.*?)(?=^    \w|\Z)", section[1] if section else "", re.S | re.M
    )
    return {name: " ".join(text.split()).rstrip(".") for name, text in entries}


def _allowed(key: Key | Group) -> str:
    if isinstance(key, Key):
        return key.allowed
    return "one of " + ", ".join(f"`{name}`" for name in key.table)


def _neutral(value: object) -> object:
    return value["name"] if isinstance(value, Mapping) else value


def _chosen(name: str, row: Instrument) -> str:
    if row.standard:
        return "always"
    return f"`probe.{row.examples_key}=4`" if row.examples_key else f"`measure=[{name}]`"


def _sentence(text: str) -> str:
    """Return a text with a capital letter, unless it begins with a formula or a name."""
    first = text.split()[0].rstrip(",;:")
    plain = text.removesuffix(".") + "."
    return plain[0].upper() + plain[1:] if first.isalpha() and first.islower() else plain


def _value(value: object) -> str:
    """Return a value as it is written in YAML."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value) or '""'
