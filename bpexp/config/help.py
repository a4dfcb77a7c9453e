"""The text of `python -m bpexp --help`: every key with its choices, and every instrument."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from bpexp.config import defaults
from bpexp.config.keys import Group, Key
from bpexp.config.schema import IDENTITY_KEYS, KEYS, RUNTIME_KEYS
from bpexp.errors import ConfigError, one_of
from bpexp.probes import INSTRUMENTS, Instrument

WIDTH = 100

HEAD = """\
bpexp: why deep networks are hard to train, measured layer by layer.

  python -m bpexp                                    train one network
  python -m bpexp depth=8 activation=sigmoid lr=1    another one
  python -m bpexp -m depth=2,4,8 seed='range(5)'     a sweep: every combination
  python -m bpexp -m experiment=NAME                 a study of experiments/
  python -m bpexp.sync                               copy records into MLflow, later
  python -m bpexp.report STUDY                       a study as one HTML file
  python -m bpexp list [STUDY]                       the studies here, or a study's runs
  python -m bpexp show STUDY [RUN]                   what a study holds, or one run
  python -m bpexp rm STUDY [RUN ...]                 delete runs, in MLflow too
  python -m bpexp export STUDY                       a zip file that loads elsewhere
  python -m bpexp remedies STUDY RUN                 train a run with changes: which of them train?
  python -m bpexp cite [key=value ...]               the papers behind a configuration, as BibTeX

Runs are in runs/<study>/; the same command again trains only unfinished runs.
--help KEY explains one key, --cfg job prints the composed configuration, --hydra-help Hydra's own
flags. `eval "$(bpexp -sc install=bash)"` completes keys and values in bash.
"""


def text(conf: Path, names: Sequence[str] = ()) -> str:
    """Return the help.

    Args:
        conf: the folder of the Hydra tree, for the defaults.
        names: the keys to explain; empty: all keys, and the instruments.

    Raises:
        ConfigError: a name is not a key.
    """
    values = defaults(conf)
    if names:
        for name in names:
            if name not in KEYS:
                raise ConfigError(one_of("key", name, KEYS))
        return "\n".join(line for name in names for line in _key(name, KEYS[name], values[name]))
    parts = [HEAD]
    for title, keys in (
        ("Keys that decide a run's numbers (all can be swept)", IDENTITY_KEYS),
        ("Keys that decide how and where runs are made", RUNTIME_KEYS),
    ):
        parts += [title, ""]
        for name, key in keys.items():
            parts += _key(name, key, values[name])
        parts.append("")
    parts += [
        "Instruments: what is measured at each probe [dimensions; the key, unless always measured]",
        "",
    ]
    parts += [_wrapped(f"  {name:<22}{_instrument(row)}", 24) for name, row in INSTRUMENTS.items()]
    return "\n".join(parts)


def _key(name: str, key: Key | Group, default: object) -> list[str]:
    """Return the lines that explain a key."""
    meaning = f"{key.meaning} [{_default(default)}]"
    if isinstance(key, Key):
        return [_wrapped(f"  {name:<20}{meaning}; {key.allowed}", 22)]
    return [f"  {name:<20}{meaning}; one of:", *map(_row, key.table.values(), key.table)]


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
