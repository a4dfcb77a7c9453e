"""The layers of a multi-layer perceptron with a norm and skip connections, from its sizes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bpexp.nn.choices import NONE, Choice
from bpexp.nn.layers.dense import Dense
from bpexp.nn.layers.fixup import Fixup, Zero
from bpexp.nn.layers.full import Full
from bpexp.nn.layers.normalised import Normalised
from bpexp.nn.layers.protocol import Layer
from bpexp.nn.layers.residual import Post, Pre
from bpexp.nn.norms import NORMS
from bpexp.nn.skips import SKIPS, Skip, check_depth


def chain(sizes: Sequence[int], skip: Choice, norm: Choice) -> tuple[Layer, ...]:
    """Return the layers 1 .. L.

    Args:
        sizes: units of each layer, inputs first: (n_0, ..., n_L).
        skip: a row of `bpexp.nn.skips.SKIPS`.
        norm: a row of `bpexp.nn.norms.NORMS`.

    Raises:
        ValueError: the hidden layers do not divide into blocks, or widths of a stream differ.
    """
    *hidden, output = pairwise(sizes)
    norm = norm if norm.build(NORMS) else NONE
    residual = skip.build(SKIPS)
    if residual is None or not hidden:
        return (*(_plain(*pair, norm) for pair in hidden), Dense(*output))
    check_depth(skip, len(hidden))
    if residual.order != "full" and residual.has_outer:
        raise ValueError(
            f"skip.outer_weight_variance and skip.outer_bias_variance: order={residual.order} has "
            "no outer matrix; use skip.order=full"
        )
    widths = list(sizes[1 : -1 : residual.every])
    if len({*widths}) > 1:
        raise ValueError(
            f"sizes: skip={skip.name} adds layers of {widths} units, which must have equal units"
        )
    layers = [
        _residual(*pair, norm, residual, number, len(hidden))
        for number, pair in enumerate(hidden, start=1)
    ]
    return (*layers, Zero(*output) if residual.fixup else Dense(*output))


def _plain(n_in: int, n_out: int, norm: Choice) -> Layer:
    return Dense(n_in, n_out) if norm == NONE else Normalised(n_in, n_out, norm)


def _residual(n_in: int, n_out: int, norm: Choice, skip: Skip, number: int, depth: int) -> Layer:
    """Return hidden layer `number` of a residual network of `depth` hidden layers."""
    is_first, is_last = number == 1, number > 1 and (number - 1) % skip.every == 0
    inside, over, blocks = not (is_first or is_last), skip.every * is_last, skip.blocks(depth)
    scale = skip.factor(blocks)
    if skip.fixup:
        factor = 0.0 if is_last else skip.inner_factor(blocks) if inside else 1.0
        return Fixup(n_in, n_out, norm, over, scale, skip.trained, factor, inside)
    if inside:
        return _plain(n_in, n_out, norm)
    if skip.order == "full":
        outer = skip.outer_weight_variance, skip.outer_bias_variance
        own = NONE if is_first else norm
        return Full(n_in, n_out, own, over, scale, skip.trained, *outer)
    kind = Pre if skip.order == "pre" else Post
    return kind(n_in, n_out, norm, over, scale, skip.trained)
