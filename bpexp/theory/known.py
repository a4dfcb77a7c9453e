"""Which kinds of layers the equations of a prediction hold for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from bpexp.errors import BpexpError
from bpexp.nn import Architecture

P = ParamSpec("P")
T = TypeVar("T")
Predict = Callable[Concatenate[Architecture, P], T]


class UnknownLayerError(BpexpError):
    """A network has a layer that a prediction has no equations for."""


def knows(*kinds: type) -> Callable[[Predict[P, T]], Predict[P, T]]:
    """Declare the kinds of layers that a prediction of an architecture holds for.

    The prediction, whose first argument is the architecture, raises UnknownLayerError for any other
    kind. Otherwise it would be silently wrong.

    Args:
        kinds: classes of `bpexp.nn.layers.LAYERS`.
    """

    def declare(predict: Predict[P, T]) -> Predict[P, T]:
        @wraps(predict)
        def checked(architecture: Architecture, /, *args: P.args, **kwargs: P.kwargs) -> T:
            if unknown := architecture.unknown_layer(kinds):
                names = ", ".join(kind.__name__ for kind in kinds)
                raise UnknownLayerError(
                    f"theory: {predict.__name__} does not know {unknown}; it knows {names}"
                )
            return predict(architecture, *args, **kwargs)

        return checked

    return declare
