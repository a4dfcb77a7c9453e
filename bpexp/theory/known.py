"""Declare for which kinds of layers a prediction's equations hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from bpexp.errors import BpexpError
from bpexp.nn import Architecture
from bpexp.nn.layers import Dense
from bpexp.nn.layers.fixup import Fixup, Zero
from bpexp.nn.layers.full import Full
from bpexp.nn.layers.normalised import Normalised
from bpexp.nn.layers.residual import Post, Pre

WIDE = (Dense, Normalised, Pre, Post, Full, Fixup, Zero)
"""The kinds of layers for which `bpexp.theory.passes` has equations."""

P = ParamSpec("P")
T = TypeVar("T")
Predict = Callable[Concatenate[Architecture, P], T]


class UnknownLayerError(BpexpError):
    """A network has a layer for which a prediction has no equations."""


class UnknownCostError(BpexpError):
    """A network has a cost for which a prediction has no equations."""


def knows(*kinds: type, couples: bool = True) -> Callable[[Predict[P, T]], Predict[P, T]]:
    """Declare for which layers a prediction of an architecture holds.

    The decorated function, whose first argument is the architecture, raises UnknownLayerError for
    any other layer. Without the declaration the prediction would be wrong without an error.

    Args:
        kinds: classes of `bpexp.nn.layers.LAYERS`.
        couples: whether the prediction holds if examples depend on the others of their batch, as
            with batch normalisation.
    """

    def declare(predict: Predict[P, T]) -> Predict[P, T]:
        @wraps(predict)
        def checked(architecture: Architecture, /, *args: P.args, **kwargs: P.kwargs) -> T:
            if unknown := architecture.unknown_layer(kinds):
                names = ", ".join(kind.__name__ for kind in kinds)
                raise UnknownLayerError(
                    f"theory: {predict.__name__} does not know {unknown}; it knows {names}"
                )
            if not couples and architecture.couples:
                raise UnknownLayerError(
                    f"theory: {predict.__name__} does not know norm={architecture.norm.name}, "
                    "with which examples depend on each other"
                )
            return predict(architecture, *args, **kwargs)

        return checked

    return declare
