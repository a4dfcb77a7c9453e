"""Layers: specifications of what each kind holds, and the calls that it records.

A network's layers are a list of instances of the kinds in LAYERS, which `bpexp.nn.propagation`
interprets. `bpexp.nn.layers.protocol` states what a kind provides. A new kind is a class with these
attributes and methods, in a file of its own, and a row of LAYERS.
"""

from __future__ import annotations

from collections.abc import Callable

from bpexp.nn.layers.dense import Dense
from bpexp.nn.layers.protocol import ArraySpec, Layer

__all__ = ["LAYERS", "ArraySpec", "Dense", "Layer"]

LAYERS: dict[str, Callable[..., Layer]] = {layer.kind: layer for layer in (Dense,)}
