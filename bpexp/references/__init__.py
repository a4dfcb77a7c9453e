"""The papers behind a configuration: what its choices, instruments and predictions cite."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bpexp.config.keys import Group
from bpexp.config.schema import KEYS
from bpexp.probes import INSTRUMENTS
from bpexp.references.bibliography import REFERENCES, Reference, find_cited
from bpexp.theory import (
    MeanField,
    forecast,
    jacobian_moments,
    learn,
    log_norm_std,
    predict,
    predict_batch,
)
from bpexp.theory.batch_norm import BatchNormMoments
from bpexp.theory.kernels import Pairs
from bpexp.theory.passes import Wide
from bpexp.theory.residual import stream_depth

__all__ = ["REFERENCES", "Reference", "behind", "find_cited"]

# The modules of these: what figures draw of theory for every run, and for those that ask for more.
PREDICTED = (MeanField, predict, predict_batch, Wide, Pairs, log_norm_std)
FORECAST = (forecast, learn)
# Groups whose rows have equations of their own in those modules, and the module of most of them.
OWN_THEORY = {"skip": stream_depth, "norm": BatchNormMoments}


def behind(configs: Iterable[Mapping[str, Any]], texts: Iterable[str] = ()) -> list[Reference]:
    """Return the papers behind configurations, in the order of their years.

    They are those cited in the docstrings of what is chosen, of the instruments that are measured,
    and of theory as figures draw it.

    Args:
        configs: nested, as records hold them.
        texts: further docstrings, such as those of figures.
    """
    found = {paper.key for paper in find_cited(texts)}
    # Numbers cite nothing, so runs that differ in the seed or the learning rate are read once.
    chosen = [{k: v for k, v in each.items() if not isinstance(v, int | float)} for each in configs]
    for config in {repr(each): each for each in chosen}.values():
        found |= {paper.key for paper in _cited(config)}
    return [paper for paper in REFERENCES if paper.key in found]


def _cited(config: Mapping[str, Any]) -> Iterator[Reference]:
    """Yield the papers behind a configuration."""
    yield from find_cited(_chosen(config))
    foreign = set()
    for name, equations in OWN_THEORY.items():
        row = config.get(name, {"name": "none"})["name"]
        documented = [inspect.getdoc(other) or "" for other in _table(name).values()]
        if row == "none":
            foreign |= {paper.key for paper in find_cited([_module(equations), *documented])}
        else:
            yield from find_cited([_module(equations)])
    yield from (paper for paper in find_cited(_theory(config)) if paper.key not in foreign)


def _chosen(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the docstrings of what a configuration chooses and measures."""
    for name, key in KEYS.items():
        row = config.get(name)
        if isinstance(key, Group) and isinstance(row, Mapping):
            yield inspect.getdoc(key.table.get(str(row["name"]))) or ""
    probe, measured = config.get("probe", {}), config.get("measure", ())
    names = {spelled.partition("@")[0] for spelled in measured}
    for name, instrument in INSTRUMENTS.items():
        counted = instrument.examples_key is not None and probe.get(instrument.examples_key)
        if instrument.standard or name in names or counted:
            yield inspect.getdoc(instrument.measure) or ""


def _theory(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the modules of what theory predicts for a configuration."""
    predictions: list[Any] = [*PREDICTED]
    predictions += FORECAST if config.get("forecast", "off") != "off" else ()
    predictions += [jacobian_moments] if config.get("probe", {}).get("jacobian") else ()
    yield from map(_module, predictions)


def _module(thing: Any) -> str:
    return inspect.getsource(inspect.getmodule(thing) or thing)


def _table(name: str) -> Mapping[str, Any]:
    key = KEYS[name]
    return key.table if isinstance(key, Group) else {}
