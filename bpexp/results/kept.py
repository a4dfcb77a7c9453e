"""Store predictions in a study's folder, because those of a deep network take a second to compute.

The file name is a hash of what a prediction depends on: the network, its initialization, the data,
the probe batch, and the source of the code that computes it. After an edit of the code the
prediction is computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bpexp.data import Dataset
from bpexp.errors import StorageError
from bpexp.nn import Architecture, Choice
from bpexp.record.files import make_folder, replacing
from bpexp.record.layout import PREDICTED

SOURCES = ("nn", "theory", "results")  # folders of the code that computes predictions


class Predicted(NamedTuple):
    """What a prediction depends on.

    Attributes:
        kind: the name of the prediction.
        shape: the architecture of the network.
        init: the initialization.
        data: the data set.
        examples: the number of examples of the probe batch.
        further: further values that the prediction depends on: a frozen dataclass, or None.
    """

    kind: str
    shape: Architecture
    init: Choice
    data: Dataset
    examples: int
    further: Hashable = None

    @property
    def key(self) -> str:
        """A hash of the attributes and of the code."""
        network = [json.loads(self.shape.to_json()), asdict(self.init)]
        parts = [self.kind, *network, self.data.digest, self.examples, self.further, _sources()]
        return sha256(json.dumps(parts, sort_keys=True, default=asdict).encode()).hexdigest()[:16]


def kept(
    study: Path | None, predicted: Predicted, compute: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a prediction that is stored in a study's folder, or compute and store it.

    Args:
        study: the study's folder; None: the prediction is not stored.
        predicted: what the prediction depends on.
        compute: returns the prediction: numbers, text, booleans, None and float64 arrays by name.
    """
    if study is None:
        return dict(compute())
    file = study / PREDICTED / f"{predicted.key}.json"
    with suppress(Exception):  # missing, or damaged
        return {name: _decoded(value) for name, value in json.loads(file.read_text()).items()}
    values = dict(compute())
    with suppress(StorageError):  # the folder may be read-only
        make_folder(file.parent)
        with replacing(file, durable=False) as stream:
            stream.write(json.dumps(values, default=_encoded).encode())
    return values


def _encoded(value: Any) -> Any:
    """Convert an array to lists; Python's JSON keeps each float64 exactly."""
    return value.tolist()


def _decoded(value: Any) -> Any:
    return np.array(value, np.float64) if isinstance(value, list) else value


@cache
def _sources() -> str:
    """Return a hash of the code that computes predictions, and of NumPy's version."""
    digest = sha256(np.__version__.encode())
    package = Path(__file__).parents[1]
    for room in SOURCES:
        for path in sorted((package / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
