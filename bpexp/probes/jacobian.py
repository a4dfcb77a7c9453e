"""Singular values of the input-output Jacobian: how a network deforms its signals, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Array
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack


class JacobianProber:
    """The examples at which Jacobians are taken, and the buffers to take them.

    J = dz^(L-1)/dz^(1), from the first hidden layer's pre-activations to the last hidden layer's:
    J = W^(L-1)T D^(L-2) ... W^(2)T D^(1), D^(l) = diag g'(z^(l)) (Pennington et al. 2017, eq. 2,
    there with D of the last layer in place of the first).
    """

    def __init__(self, stack: Stack, rows: Array) -> None:
        """Take inputs with the constant unit, (E, n_0 + 1)."""
        self._rows = rows
        self._alone = Stack(stack.architecture, stack.theta[:1].copy())
        self._propagation = Propagation(self._alone, rows)

    def __call__(self, stack: Stack, which: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return singular values (R, E, n), largest first, of the networks `which` (R,).

        Products and SVD are in float64, whatever the networks' dtype: values below 1e-16 of the
        largest are noise. Rows of the other networks are NaN, and so are those of a network that
        is not finite.

        Args:
            stack: the networks, of at least two hidden layers; they are not changed.
            which: those to look at.
        """
        hidden = stack.architecture.sizes[1:-1]
        found = np.full((len(stack), len(self._rows), min(hidden[0], hidden[-1])), np.nan)
        for r in map(int, np.flatnonzero(which)):
            self._alone.theta[:] = stack.theta[r]
            jacobians = self._jacobians()
            # of z too: a slope may be finite, or 0, where z is not a number
            if np.isfinite(jacobians).all() and np.isfinite(self._propagation.z[-1]).all():
                found[r] = np.linalg.svd(jacobians, compute_uv=False)
        return found

    def _jacobians(self) -> NDArray[np.float64]:
        """Return (E, n_{L-1}, n_1)."""
        p, alone = self._propagation, self._alone
        p.forward()
        jacobians = np.eye(alone.architecture.sizes[1])[None]
        for number, theta in enumerate(alone.layers[1:-1], start=1):
            slopes = p.slope[number][0].T[:, :, None].astype(np.float64)  # (E, n_l, 1)
            jacobians = theta[0, 1:].T.astype(np.float64) @ (slopes * jacobians)
        return jacobians
