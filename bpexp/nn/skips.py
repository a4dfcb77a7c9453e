"""Skip connections: which layers end a block, and how a block's branch joins the stream.

The hidden layers after the first are blocks of `every` layers. A block adds its branch to the
stream. The first layer, where the stream begins, and the output layer carry no skip connection,
whatever the widths. `bpexp.nn.layers.residual` states the equations of each order.
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
    """Skip connections; the last two attributes are of order "full".

    Attributes:
        order: "pre", "post" or "full".
        every: m, the layers of a block.
        scale: s, which the branch is multiplied by: a number, or "1/sqrt(blocks)".
        trained: whether s is a trained number a block, which starts from `scale`.
        fixup: whether the network is initialized and has scalars as in Fixup.
        outer_weight_variance: v of V ~ N(0, v / n); None: as the initialization draws W.
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
        """Return s, before training if it is trained."""
        return 1 / math.sqrt(max(blocks, 1)) if isinstance(self.scale, str) else self.scale

    def inner_factor(self, blocks: int) -> float:
        """Return what Fixup multiplies the weights of a block's layers but the last by."""
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
    """The stream passes unchanged, and each block adds its branch times `scale`.

    order pre: h + W g(norm(h)) + b (He et al. 2016); post: a + g(norm(W a + b)); full:
    a + V g(norm(W a + b)) + c (Yang & Schoenholz 2017).

    Args:
        order: pre, post or full.
        every: layers a block, 1 or 2. Those before the last are plain.
        scale: a finite number, or 1/sqrt(blocks), which the branch is multiplied by.
        outer_weight_variance: of order full, v >= 0 of V ~ N(0, v / n); null draws V as W.
        outer_bias_variance: of order full, the variance of c, a number of at least 0.
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
    """A trained scale a block, 0 at the start (Bachlechner et al. 2021).

    Without a norm this is also the network of SkipInit (De & Smith 2020).
    """
    require("order", order, "one of pre, post", order in ("pre", "post"))
    require("every", every, "1 or 2", every in (1, 2))
    return Skip(order, every, 0.0, trained=True)


def fixup(*, every: int = 2) -> Skip:
    """Order pre, initialized to train without a norm (Zhang et al. 2019).

    With B blocks of m = `every` layers, weights are multiplied by B^(-1/(2m-2)), those of the last
    layer of each block and of the output layer are 0. A scalar bias stands before each activation
    and each later layer, and a scalar multiplier, 1 at the start, in each block.
    """
    require("every", every, "an integer of at least 2", every >= 2)
    return Skip("pre", every, 1.0, trained=True, fixup=True)


SKIPS: dict[str, Callable[..., Skip | None]] = {
    factory.__name__: factory for factory in (none, identity, rezero, fixup)
}


def check_depth(skip: Choice, depth: int) -> None:
    """Refuse a depth that is no whole number of blocks.

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
