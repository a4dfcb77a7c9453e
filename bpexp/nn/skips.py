"""Skip connections: the blocks of layers, and the addition of their branches to the stream.

The hidden layers after the first are divided into blocks of `every` layers. A block adds its branch
to the stream. The first layer, where the stream begins, and the output layer have no skip
connection, also if widths are equal. `bpexp.nn.layers.residual` states the equations of each order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bpexp.nn.choices import Choice, require

ORDERS = ("pre", "post", "full")
BY_BLOCKS = "1/sqrt(blocks)"


@dataclass(frozen=True)
class Skip:
    """Skip connections; the last two attributes apply to order "full" only.

    Attributes:
        order: "pre", "post" or "full".
        every: m, the number of layers of a block.
        scale: s, the factor of the branch: a number, or "1/sqrt(blocks)".
        trained: whether each block has a trained s, initially `scale`.
        fixup: whether the network has the initialization and the scalars of Fixup.
        outer_weight_variance: v of V ~ N(0, v / n); None: the initialization draws V.
        outer_bias_variance: variance of c.
    """

    order: str
    every: int
    scale: float | str = 1.0
    trained: bool = False
    fixup: bool = False
    outer_weight_variance: float | None = None
    outer_bias_variance: float = 0.0

    @property
    def has_outer(self) -> bool:
        """Whether a variance of order "full" is given."""
        return self.outer_weight_variance is not None or self.outer_bias_variance > 0

    def blocks(self, depth: int) -> int:
        """Return the number of blocks of a network of `depth` hidden layers."""
        return max(depth - 1, 0) // self.every

    def factor(self, blocks: int) -> float:
        """Return s, or its initial value if it is trained."""
        return 1 / math.sqrt(max(blocks, 1)) if isinstance(self.scale, str) else self.scale

    def inner_factor(self, blocks: int) -> float:
        """Return Fixup's factor of the weights of a block's layers except the last."""
        return float(max(blocks, 1) ** (-1 / (2 * self.every - 2)))


def none() -> None:
    """No skip connections: a plain network."""


def identity(
    *,
    order: str = "pre",
    every: int = 1,
    scale: float | str = 1.0,
    outer_weight_variance: float | None = None,
    outer_bias_variance: float = 0.0,
) -> Skip:
    """Add each block's branch times `scale` to the stream.

    order pre: h + W g(norm(h)) + b (He et al. 2016); post: a + g(norm(W a + b)); full:
    a + V g(norm(W a + b)) + c (Yang & Schoenholz 2017).

    Args:
        order: pre, post or full.
        every: number of layers of a block, 1 or 2. Layers before the last are plain.
        scale: the factor of the branch, a finite number or 1/sqrt(blocks).
        outer_weight_variance: for order full, v >= 0 of V ~ N(0, v / n); null draws V as W.
        outer_bias_variance: for order full, the variance of c, a number of at least 0.
    """
    require("order", order, f"one of {', '.join(ORDERS)}", order in ORDERS)
    require("every", every, "1 or 2", every in (1, 2))
    is_number = not isinstance(scale, str) and abs(scale) < math.inf
    allowed = f"a finite number, or {BY_BLOCKS}"
    require("scale", scale, allowed, is_number or scale == BY_BLOCKS)
    variance, bias = outer_weight_variance, outer_bias_variance
    allowed = "a finite number of at least 0"
    holds = variance is None or 0 <= variance < math.inf
    require("outer_weight_variance", variance, f"{allowed}, or null", holds)
    require("outer_bias_variance", bias, allowed, 0 <= bias < math.inf)
    return Skip(order, every, scale, False, False, variance, bias)


def rezero(*, order: str = "pre", every: int = 1) -> Skip:
    """A trained scale for each block, initially 0 (Bachlechner et al. 2021).

    Without a norm this is also the network of SkipInit (De & Smith 2020).
    """
    require("order", order, "one of pre, post", order in ("pre", "post"))
    require("every", every, "1 or 2", every in (1, 2))
    return Skip(order, every, 0.0, trained=True)


def fixup(*, every: int = 2) -> Skip:
    """Order pre, initialized to train without a norm (Zhang et al. 2019).

    With B blocks of m = `every` layers, weights are multiplied by B^(-1/(2m-2)); weights of the
    last layer of each block and of the output layer are 0. There is a scalar bias before each
    activation and before each layer after the first, and a scalar multiplier, initially 1, in each
    block.
    """
    require("every", every, "an integer of at least 2", every >= 2)
    return Skip("pre", every, 1.0, trained=True, fixup=True)


SKIPS: dict[str, Callable[..., Skip | None]] = {
    factory.__name__: factory for factory in (none, identity, rezero, fixup)
}


def check_depth(skip: Choice, depth: int) -> None:
    """Refuse a depth that does not divide into blocks.

    Args:
        skip: the skip connections.
        depth: hidden layers.

    Raises:
        ValueError: depth - 1 is not divisible by the layers of a block.
    """
    built = skip.build(SKIPS)
    if built is not None and depth > 0 and (depth - 1) % built.every:
        raise ValueError(
            f"depth: {depth} is not 1 plus a multiple of skip.every={built.every}, the layers of a "
            "block"
        )
