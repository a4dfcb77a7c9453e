"""The gradient of the cost with respect to the outputs of a wide network."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from bpexp.nn import COSTS, Choice
from bpexp.nn.activations import Scratch
from bpexp.nn.costs import Cost
from bpexp.nn.tape import call_now
from bpexp.theory.gaussian import Vector
from bpexp.theory.kernels import Matrix, Pairs
from bpexp.theory.known import UnknownCostError

DRAWS = 5000  # draws of z for an expectation, whose relative error is then 0.5 %


def delta_now(
    cost: Cost, z: NDArray[np.float64], targets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return delta = dC_i/dz of each example.

    Args:
        cost: the cost.
        z: the outputs, (K, ...).
        targets: in z's shape.
    """
    out = np.empty_like(z)
    cost.delta(call_now, z, targets, out, np.empty_like(z), Scratch.like(z))
    return out


def output_deltas(cost: Choice, covariance: Matrix, targets: Matrix) -> Matrix:
    """Return E[delta_i . delta_j] of the output layer, (B, B).

    delta(z, t) = alpha(z) - t * beta(z) for the costs of the table. The K outputs are independent
    and identically distributed, so E[alpha_k beta_k] is the same for every output k, and

        E[delta_i . delta_j] = E[alpha_i . alpha_j] - sum(t_j) E[alpha_i beta_j]
                               - sum(t_i) E[beta_i alpha_j] + (t_i . t_j) E[beta_i beta_j]

    The last three expectations are those of a single output. All are means over draws of z.

    Args:
        cost: the cost, by name and parameters.
        covariance: of the outputs of the examples, (B, B).
        targets: (B, K).

    Raises:
        UnknownCostError: the cost's delta is not an affine function of the targets.
    """
    _require_affine(cost)
    outputs = targets.shape[1]
    first, second = default_rng(0).standard_normal((2, outputs, DRAWS))

    def table(deviations: Vector, angles: Vector) -> NDArray[np.float64]:
        alpha, beta = _terms(cost, deviations[:, None] * first[:, None])
        products = []
        for angle in angles:
            z = np.cos(angle) * first + np.sin(angle) * second
            alpha_j, beta_j = _terms(cost, deviations[:, None] * z[:, None])
            products.append(
                [
                    _products(alpha, alpha_j),
                    _products(alpha, beta_j) / outputs,
                    _products(beta, beta_j) / outputs,
                ]
            )
        return np.moveaxis(np.array(products), 0, -1)

    both, mixed, single = Pairs.of(covariance).interpolate(table)
    crossed = mixed * targets.sum(axis=1)
    return np.asarray(both - crossed - crossed.T + (targets @ targets.T) * single)


def _terms(cost: Choice, z: NDArray[np.float64]) -> tuple[Matrix, Matrix]:
    """Return alpha(z) and beta(z) of delta(z, t) = alpha(z) - t * beta(z), for z (K, ...)."""
    alpha = _equal_targets(cost, z, 0.0)
    return alpha, alpha - _equal_targets(cost, z, 1.0)


def _equal_targets(cost: Choice, z: NDArray[np.float64], target: float) -> NDArray[np.float64]:
    """Return delta if all targets are one number."""
    return delta_now(cost.build(COSTS), z, np.full_like(z, target))


@lru_cache(maxsize=64)
def _require_affine(cost: Choice) -> None:
    """Raise UnknownCostError unless delta is an affine function of the targets."""
    z = np.linspace(-3, 3, 7)[:, None]
    zero, half, one = (_equal_targets(cost, z, target) for target in (0.0, 0.5, 1.0))
    if not np.allclose(zero + one, 2 * half, rtol=1e-9, atol=1e-12):
        raise UnknownCostError(
            f"theory does not know the cost {cost.name}: delta is not affine in t"
        )


def _products(a: NDArray[np.float64], b: NDArray[np.float64]) -> Matrix:
    """Return the mean over draws of sum_k a_k b_k, (S, S), for a and b (K, S, draws)."""
    left, right = (np.swapaxes(array, 0, 1).reshape(array.shape[1], -1) for array in (a, b))
    return np.asarray(left @ right.T / a.shape[-1])
