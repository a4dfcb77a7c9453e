"""The papers behind a configuration: what its choices, instruments and predictions cite."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bpexp.config.schema import KEYS, Group
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
from bpexp.theory.forward import forward
from bpexp.theory.kernels import Pairs

__all__ = ["REFERENCES", "Reference", "behind", "find_cited"]

# The modules of these: what figures draw of theory for every run, and for those that ask for more.
PREDICTED = (MeanField, predict, predict_batch, forward, Pairs, log_norm_std)
FORECAST = (forecast, learn)


def behind(configs: Iterable[Mapping[str, Any]], texts: Iterable[str] = ()) -> list[Reference]:
    """Return the papers behind configurations, in the order of their years.

    They are those cited in the docstrings of what is chosen, of the instruments that are measured,
    and of theory as figures draw it.

    Args:
        configs: nested, as records hold them.
        texts: further docstrings, such as those of figures.
    """
    found = {text: None for config in configs for text in _texts(config)}
    return find_cited([*found, *texts])


def _texts(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the docstrings that stand behind a configuration."""
    for name, key in KEYS.items():
        chosen = config.get(name)
        if isinstance(key, Group) and isinstance(chosen, Mapping):
            yield inspect.getdoc(key.table.get(str(chosen["name"]))) or ""
    probe, measured = config.get("probe", {}), config.get("measure", ())
    names = {spelled.partition("@")[0] for spelled in measured}
    for name, row in INSTRUMENTS.items():
        counted = row.examples_key is not None and probe.get(row.examples_key)
        if row.standard or name in names or counted:
            yield inspect.getdoc(row.measure) or ""
    predictions: list[Any] = [*PREDICTED]
    predictions += FORECAST if config.get("forecast", "off") != "off" else ()
    predictions += [jacobian_moments] if probe.get("jacobian") else ()
    for prediction in predictions:
        yield inspect.getsource(inspect.getmodule(prediction) or prediction)
