"""The text of `python -m bpexp --help`: every key with its choices, and every instrument."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path

from bpexp.config import defaults
from bpexp.config.schema import IDENTITY_KEYS, RUNTIME_KEYS, Key
from bpexp.probes import INSTRUMENTS, Instrument

WIDTH = 100

HEAD = """\
bpexp: why deep networks are hard to train, measured layer by layer.

  python -m bpexp                                    train one network
  python -m bpexp depth=8 activation=sigmoid lr=1    another one
  python -m bpexp -m depth=2,4,8 seed='range(5)'     a sweep: every combination
  python -m bpexp -m experiment=NAME                 a study of experiments/
  python -m bpexp.syncmirror journals into MLflow, later

Runs lie in runs/<study>/; the same command again trains only what is not finished.
--cfg job prints the composed configuration, --hydra-help Hydra's own flags.
"""


def text(conf: Path) -> str:
    """Return the whole help; `conf` is the Hydra tree, for the defaults."""
    values = defaults(conf)
    parts = [HEAD]
    for title, keys in (
        ("Keys that decide a run's numbers (all can be swept)", IDENTITY_KEYS),
        ("Keys of the harness", RUNTIME_KEYS),
    ):
        parts += [title, ""]
        for name, key in keys.items():
            told = f"{key.meaning} [{_default(values[name])}]"
            if isinstance(key, Key):
                parts.append(_wrapped(f"  {name:<20}{told}; {key.allowed}", 22))
            else:
                parts += [f"  {name:<20}{told}; one of:", *map(_row, key.table.values(), key.table)]
        parts.append("")
    parts += [
        "Instruments: what is measured at each probe [dimensions; the key, unless always measured]",
        "",
    ]
    parts += [_wrapped(f"  {name:<20}{_instrument(row)}", 22) for name, row in INSTRUMENTS.items()]
    return "\n".join(parts)


def _instrument(row: Instrument) -> str:
    """Return an instrument's meaning, its dimensions and the key that chooses it."""
    dims = ", ".join(row.dims) or "run"
    key = f"probe.{row.examples_key}" if row.examples_key else "measure"
    return f"{row.meaning} [{dims}{'' if row.standard else f'; by {key}'}]"


def _row(factory: Callable[..., object], name: str) -> str:
    parameters = inspect.signature(factory).parameters.values()
    shown = ", ".join(f"{p.name}={_default(p.default)}" for p in parameters)
    meaning = (inspect.getdoc(factory) or "").partition("\n")[0]
    return _wrapped(f"{'':24}{name}: {meaning}" + (f" [{shown}]" if shown else ""), 28)


def _wrapped(line: str, indent: int) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent=" " * indent, break_on_hyphens=False)


def _default(value: object) -> str:
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
