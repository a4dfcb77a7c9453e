"""Write and read networks as npz files without pickles.

A file holds `architecture` (JSON), theta_001, theta_002, ..., the other arrays of layer l by their
names with the same three digits, and the names of classes, if there are any, as `classes`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.architecture import Architecture
from bpexp.nn.arrays import ArraySpec

Path = str | os.PathLike[str]


def write(
    file: Path | IO[bytes],
    architecture: Architecture,
    theta: NDArray[Any],
    state: NDArray[Any],
    classes: Sequence[str] | None,
) -> None:
    """Write a network.

    Args:
        file: a path, or a file that is open for writing.
        architecture: layers, activation, cost and task.
        theta: the parameters, (P,).
        state: the state, (S,).
        classes: the name of each class, or None.
    """
    arrays: dict[str, Any] = {
        _key(name, number): array
        for group in (architecture.parameters(theta), architecture.states(state))
        for number, layer in enumerate(group, start=1)
        for name, array in layer.items()
    }
    if classes is not None:
        arrays["classes"] = np.array(classes)
    np.savez(file, architecture=np.array(architecture.to_json()), **arrays)


def read(path: Path) -> tuple[Architecture, NDArray[Any], NDArray[Any], list[str] | None]:
    """Read architecture, parameters (P,), state (S,) and names of classes of a network.

    Args:
        path: a file that `write` wrote, in this or an earlier version.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or its arrays do not fit the architecture.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            architecture = Architecture.from_json(str(file["architecture"]))
            layers = list(enumerate(architecture.layers, start=1))
            theta = [_read(file, n, spec) for n, layer in layers for spec in layer.parameters]
            state = [_read(file, n, spec) for n, layer in layers for spec in layer.state]
            classes = file["classes"].tolist() if "classes" in file else None
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile, zlib and numpy.lib.format raise many types
        raise ValueError(f"{path}: not a network that was saved: {error}") from None
    flat = np.concatenate(theta)
    return architecture, flat, np.concatenate([flat[:0], *state]), classes


def _read(file: Mapping[str, NDArray[Any]], number: int, spec: ArraySpec) -> NDArray[Any]:
    """Return an array of layer `number` from a saved file, flat."""
    array = file[_key(spec.name, number)]
    if array.shape != spec.shape:
        raise ValueError(f"{_key(spec.name, number)}: shape {array.shape} is not {spec.shape}")
    return array.ravel()


def _key(name: str, number: int) -> str:
    """Return an array's name in a saved file."""
    return f"{name}_{number:03d}"
