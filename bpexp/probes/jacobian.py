"""The instrument of the input-output Jacobian: how a network deforms its signals, exactly."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

from bpexp.nn.propagation import Propagation
from bpexp.probes.network import ProbedNetwork
from bpexp.probes.statistics import Values


def jacobian_spectrum(probed: ProbedNetwork, examples: int) -> Values | None:
    """Singular values of dz^(L-1)/dz^(1), first to last hidden layer, largest first.

    J = W^(L-1)T D^(L-2) ... W^(2)T D^(1) with D^(l) = diag g'(z^(l)) (Pennington et al. 2017,
    eq. 2, which has D of the last layer in place of that of the first).

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
    passes = probed.passes(examples)
    z = passes.forward()
    jacobians = _jacobians(passes)
    # z is checked too: where it is not a number its slope may be finite or 0
    if not (np.isfinite(jacobians).all() and np.isfinite(z).all()):
        return np.full((len(jacobians), min(jacobians.shape[1:])), np.nan)
    return np.asarray(np.linalg.svd(jacobians, compute_uv=False), np.float64)


def _jacobians(passes: Propagation) -> Values:
    """Return J of each example, (E, n_{L-1}, n_1), after a forward pass."""
    layers, at = passes.stack.architecture.layers, passes.buffers
    z = np.eye(layers[0].n_out)[None]
    # The derivatives of a^(l), as far down as a layer reads; the inputs do not depend on z^(1).
    tangents = deque([np.zeros(())], maxlen=max(layer.reach for layer in layers))
    for number, (layer, above) in enumerate(pairwise(layers[:-1]), start=1):
        tangents.append(layer.tangent_a(at, number, z, tangents))
        z = above.tangent_z(at, number + 1, tangents)
    return z
