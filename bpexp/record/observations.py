"""Convert observations to lines of a journal, and lines of every version to observations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from bpexp.probes.instruments import INSTRUMENTS, selected
from bpexp.probes.values import as_lists, as_value
from bpexp.training import Observation

Line = dict[str, Any]

# Keys under which version 0.1 wrote arrays of instruments: {key: instrument}.
FORMER_KEYS = {row.former_key: name for name, row in INSTRUMENTS.items() if row.former_key}


def as_line(observation: Observation) -> Line:
    """Return the fields of an observation's line, with `arrays` only if there are any."""
    line: Line = {
        "step": observation.step,
        "epoch": observation.epoch,
        "metrics": observation.metrics,
        "layers": {name: v.tolist() for name, v in observation.layers.items()} or None,
    }
    if observation.arrays:
        line["arrays"] = {name: as_lists(value) for name, value in observation.arrays.items()}
    return line


def as_observation(line: Line) -> Observation:
    """Return the observation in a line of this version's form."""
    layers = {name: np.array(values, float) for name, values in (line["layers"] or {}).items()}
    arrays = {name: as_value(nested) for name, nested in line.get("arrays", {}).items()}
    return Observation(line["step"], line["epoch"], line["metrics"], layers, arrays)


def current(line: Line) -> Line:
    """Return a line that any version wrote in this version's form."""
    former = {FORMER_KEYS[key]: line.pop(key) for key in FORMER_KEYS if key in line}
    return line | {"arrays": line.get("arrays", {}) | former} if former else line


def measured(line: Line) -> Line:
    """Return the values of all instruments in a line of this version's form, as JSON values."""
    return {**(line["layers"] or {}), **line.get("arrays", {})}


def dimensions(chosen: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the dimensions of the instruments in `arrays` of observations, for the start line.

    Args:
        chosen: the instruments that are measured in addition to the standard ones.
    """
    return {name: row.dims for name, row in selected(chosen).items() if row.dims != ("layer",)}
