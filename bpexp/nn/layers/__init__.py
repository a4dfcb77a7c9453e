"""Layers: specifications of the arrays of each kind, and of the calls that it records.

A network's layers are a list of instances of the kinds in LAYERS, which `bpexp.nn.propagation`
interprets. `bpexp.nn.layers.protocol` states what a kind provides. A new kind is a class with these
attributes and methods, in a file of its own, and a row of LAYERS. `chain` makes the list of a
multi-layer perceptron.
"""

from __future__ import annotations

from collections.abc import Callable

from bpexp.nn.arrays import ArraySpec
from bpexp.nn.layers.chain import chain
from bpexp.nn.layers.dense import Dense
from bpexp.nn.layers.fixup import Fixup, Zero
from bpexp.nn.layers.full import Full
from bpexp.nn.layers.normalised import Normalised
from bpexp.nn.layers.protocol import Layer
from bpexp.nn.layers.residual import Post, Pre

__all__ = ["LAYERS", "ArraySpec", "Dense", "Layer", "chain"]

LAYERS: dict[str, Callable[..., Layer]] = {
    layer.kind: layer for layer in (Dense, Normalised, Pre, Post, Full, Fixup, Zero)
}
