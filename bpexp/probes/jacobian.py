"""The instrument of the input-output Jacobian: how a network deforms its signals, exactly."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from bpexp.nn.layers import Layer
from bpexp.nn.layers.protocol import Flow
from bpexp.nn.propagation import Propagation
from bpexp.probes.network import ProbedNetwork
from bpexp.probes.statistics import Values


def jacobian_spectrum(probed: ProbedNetwork, examples: int) -> Values | None:
    """Singular values of dx^(L-1)/dx^(1), first to last hidden layer, largest first.

    x is z, the argument of g, in a plain network: J = W^(L-1)T D^(L-2) ... W^(2)T D^(1) with
    D^(l) = diag g'(z^(l)) (Pennington et al. 2017, eq. 2, which has D of the last layer in place of
    that of the first), and the derivative of each norm before D. In a residual network x is the
    stream (see `bpexp.nn.layers.residual`), and J that of all blocks. The statistics of a batch
    norm are those of the whole probe batch, held fixed.

    Products and singular values are computed in float64, whatever the dtype of the network: values
    below 1e-16 of the largest are rounding errors. All are NaN where z^(l) or J is not finite.

    Args:
        probed: the network.
        examples: E, how many of the probe batch.

    Returns:
        (E, min(n_1, n_{L-1})), or None for fewer than two hidden layers.
    """
    if len(probed.layers) < 3:
        return None
    examples = min(examples, len(probed.rows))
    passes = probed.passes(len(probed.rows) if probed.stack.architecture.couples else examples)
    z = passes.forward()[..., :examples]
    jacobians = _jacobians(passes, examples)
    # z is checked too: where it is not a number its slope may be finite or 0
    if not (np.isfinite(jacobians).all() and np.isfinite(z).all()):
        return np.full((len(jacobians), min(jacobians.shape[1:])), np.nan)
    return np.asarray(np.linalg.svd(jacobians, compute_uv=False), np.float64)


def _jacobians(passes: Propagation, examples: int) -> Values:
    """Return J of the first examples, (E, n_{L-1}, n_1), after a forward pass."""
    first, *others = passes.stack.architecture.layers[:-1]
    eye = np.broadcast_to(np.eye(first.n_out), (examples, first.n_out, first.n_out))
    in_a = others[-1].stream == "a"
    start = Flow(eye, eye if in_a else first.tangent_a(passes.buffers, 1, eye, ()))
    end = tangents(passes, others, 2, start)
    return end.a if in_a else end.x


def tangents(passes: Propagation, layers: Sequence[Layer], first: int, start: Flow) -> Flow:
    """Return the derivatives of the last of some layers, after a forward pass.

    Args:
        passes: the pass, of one network.
        layers: layers one above the other.
        first: the number of the first of them.
        start: the derivatives of the layer below it.

    Returns:
        Those of the last layer; of the output layer x only.
    """
    at, below = passes.buffers, deque([start], maxlen=max(layer.reach for layer in layers))
    for number, layer in enumerate(layers, start=first):
        x = layer.tangent_x(at, number, below)
        a = x if number == at.last else layer.tangent_a(at, number, x, below)
        below.append(Flow(x, a))
    return below[-1]
