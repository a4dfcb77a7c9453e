"""The instrument of shattered gradients: how alike gradients are at nearby inputs."""

from __future__ import annotations

import math

import numpy as np

from bpexp.nn.layers.protocol import Flow
from bpexp.nn.propagation import Propagation
from bpexp.probes.jacobian import tangents
from bpexp.probes.network import ProbedNetwork
from bpexp.probes.statistics import Values

PAIRS = 32
STEP = 1 / 16  # of the way from one example to the next


def gradient_correlation(probed: ProbedNetwork) -> float:
    """Correlation of the outputs' gradients with respect to the inputs, at nearby inputs.

    R = C(x, x') / sqrt(C(x, x) C(x', x')), C(x, x') the mean over pairs and outputs k of
    grad z_k^(L)(x) . grad z_k^(L)(x') (Balduzzi et al. 2017, section 3). The pairs are the first 32
    examples x_i of the probe batch and x_i + (x_{i+1} - x_i) / 16, the last followed by the first.
    It is 1 for a linear network, and near 0 where gradients resemble white noise. The statistics of
    a batch norm are those of the probe batch and the moved inputs together, held fixed. It is NaN
    where a gradient is not finite or all are 0.
    """
    pairs = min(PAIRS, len(probed.rows))
    near = probed.rows[:pairs]
    moved = near + near.dtype.type(STEP) * (np.roll(near, -1, axis=0) - near)
    others = probed.rows[pairs if probed.stack.architecture.couples else len(probed.rows) :]
    passes = Propagation(probed.stack, np.concatenate([near, moved, others]))
    passes.forward()
    one, other = np.split(_gradients(passes, 2 * pairs), 2)
    largest = max(float(np.abs(one).max()), float(np.abs(other).max()))
    if not (math.isfinite(largest) and largest > 0):
        return math.nan
    one, other = one / largest, other / largest
    lengths = float(np.vdot(one, one)) * float(np.vdot(other, other))
    return float(np.vdot(one, other)) / math.sqrt(lengths) if lengths else math.nan


def _gradients(passes: Propagation, examples: int) -> Values:
    """Return dz^(L)/dx of the first examples, (E, K, n_0), after a forward pass."""
    layers = passes.stack.architecture.layers
    n = layers[0].n_in
    eye = np.broadcast_to(np.eye(n), (examples, n, n))
    return tangents(passes, layers, 1, Flow(eye, eye)).x
