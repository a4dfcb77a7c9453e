"""Observations as lines of a journal: writing them, and reading those of every version."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from bpexp.probes.instruments import INSTRUMENTS, selected
from bpexp.probes.values import as_lists, as_value
from bpexp.training import Observation

Line = dict[str, Any]

# Arrays that version 0.1 held under keys of their own: {key: instrument}.
FORMER_KEYS = {row.former_key: name for name, row in INSTRUMENTS.items() if row.former_key}


def as_line(observation: Observation) -> Line:
    """Return the fields of an observation's line; `arrays` only if there are any."""
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
    """Return the observation of a line in the present form."""
    layers = {name: np.array(values, float) for name, values in (line["layers"] or {}).items()}
    arrays = {name: as_value(nested) for name, nested in line.get("arrays", {}).items()}
    return Observation(line["step"], line["epoch"], line["metrics"], layers, arrays)


def current(line: Line) -> Line:
    """Return an observation's line, whichever version wrote it, in the present form."""
    former = {FORMER_KEYS[key]: line.pop(key) for key in FORMER_KEYS if key in line}
    return line | {"arrays": line.get("arrays", {}) | former} if former else line


def measured(line: Line) -> Line:
    """Return all that a line in the present form holds of instruments, as JSON has it."""
    return {**(line["layers"] or {}), **line.get("arrays", {})}


def dimensions(chosen: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the dimensions of all that observations will hold as arrays, for the start line.

    Args:
        chosen: the instruments that are measured beside the standard ones.
    """
    return {name: row.dims for name, row in selected(chosen).items() if row.dims != ("layer",)}
