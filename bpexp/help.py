"""The text of `python -m bpexp --help`: every key with its choices, from the schema."""

from __future__ import annotations

import inspect
import textwrap

from bpexp.schema import HARNESS, NUMBERS, Group, Key

HEAD = """\
bpexp: why deep networks are hard to train, measured layer by layer.

  python -m bpexp                                    train one network
  python -m bpexp depth=8 activation=sigmoid lr=1    another one
  python -m bpexp -m depth=2,4,8 seed='range(5)'     a sweep: every combination
  python -m bpexp -m experiment=NAME                 a study of experiments/
  python -m bpexp.sync                               mirror journals into MLflow, later

Runs lie in runs/<study>/; the same command again trains only what is not finished.
--cfg job prints the composed configuration, --hydra-help Hydra's own flags.
"""


def text() -> str:
    """Return the whole help."""
    parts = [HEAD]
    for title, keys in (
        ("Keys that decide a run's numbers (all can be swept)", NUMBERS),
        ("Keys of the harness", HARNESS),
    ):
        parts += [title, ""]
        for name, key in keys.items():
            parts.append(_scalar(name, key) if isinstance(key, Key) else _group(name, key))
        parts.append("")
    return "\n".join(parts).rstrip()


def _scalar(name: str, key: Key) -> str:
    return f"  {name:<20}{key.meaning}; {key.allowed}"


def _group(name: str, group: Group) -> str:
    lines = [f"  {name:<20}{group.meaning}; one of:"]
    for row, factory in group.table.items():
        parameters = inspect.signature(factory).parameters.values()
        shown = ", ".join(f"{p.name}={_default(p.default)}" for p in parameters)
        meaning = (inspect.getdoc(factory) or "").partition("\n")[0]
        lines += textwrap.wrap(
            f"{row}: {meaning}" + (f" [{shown}]" if shown else ""),
            width=98,
            initial_indent=" " * 24,
            subsequent_indent=" " * 28,
        )
    return "\n".join(lines)


def _default(value: object) -> str:
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
