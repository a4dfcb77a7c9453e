"""Gradient descent on the network linearised in its initial weights, in the limit of width.

A wide network in small steps stays near its linearisation (Jacot et al. 2018, arXiv 1806.07572; Lee
et al. 2019, arXiv 1902.06720). A step of size eta on B examples then changes the K outputs z by

    z_ik <- z_ik - (eta / B) sum_j Theta_ij delta_jk,  delta = dC/dz
    Theta_ij = sum_l (n_{l-1} K^(l-1)_ij + 1) P^(l)_ij
    P^(l)_ij = n_l Var W^(l+1) E[g'(u_i^(l)) g'(u_j^(l))] P^(l+1)_ij,  P^(L)_ij = 1

from outputs z ~ N(0, S^(L)), and the tangent kernel Theta keeps its initial value. The number of
steps that learning needs then follows without a fitted parameter. The noise of batches, weight
decay and clipping are not included, nor is the change of features, with which finite networks learn
faster than their linearisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import default_rng

from bpexp.nn import COSTS, Architecture
from bpexp.nn.costs import Cost
from bpexp.nn.targets import Targets
from bpexp.nn.tasks import find_task
from bpexp.theory.deltas import delta_now
from bpexp.theory.kernels import Matrix
from bpexp.theory.known import WIDE, knows
from bpexp.theory.passes import Wide, batch_moments

EXACT, COARSE = 200, 200  # steps computed one by one, and strides that cover the others
DAMPED = 0.25  # largest step size * eigenvalue * curvature of a stride
RISE = 1.01  # the cost counts as risen above this multiple of its initial value


@dataclass(frozen=True)
class Descent:
    """The gradient descent of a run.

    Attributes:
        learning_rate: eta, the largest of the schedule.
        steps: the sum over steps of the learning rate, relative to the largest.
        momentum: mu.
        frozen: the number of first layers that keep their weights.
    """

    learning_rate: float
    steps: int
    momentum: float = 0.0
    frozen: int = 0


@dataclass(frozen=True)
class Learning:
    """The outcome of training the linearised network.

    Attributes:
        score: the task's primary metric on the batch after the last step.
        rises: whether the cost exceeded its initial value in the first 200 steps.
        largest_step: eta lambda_max(Theta) / B, which times the cost's curvature is at most 2 where
            plain gradient descent is stable.
    """

    score: float
    rises: bool
    largest_step: float


@knows(*WIDE, couples=False)
def tangent_kernel(
    architecture: Architecture,
    variances: Sequence[tuple[float, float]],
    x: Matrix,
    frozen: int = 0,
) -> tuple[Matrix, Matrix]:
    """Return the tangent kernel Theta and the outputs' covariance S^(L), (B, B) each.

    Args:
        architecture: the network.
        variances: (Var W, Var b) of each layer; see `layer_variances`.
        x: inputs (B, n_0).
        frozen: the number of first layers whose parameters are not trained.

    Raises:
        UnknownLayerError: theory does not know a layer.
    """
    network, wide = Wide.of(architecture, variances), x.astype(np.float64)
    moments = batch_moments(architecture.activation, architecture.norm)
    forward = network.forward(wide @ wide.T / architecture.sizes[0], moments)
    backward = network.backward(forward, np.ones_like(forward.output))
    theta = np.zeros_like(forward.output)
    for number in range(frozen + 1, len(variances) + 1):
        n, activity = architecture.sizes[number - 1], forward.read[number - 1]
        theta += (n * activity + 1) * backward.u[number]
        if number in network.outer_layers:
            outer = network.scale**2 * backward.streams[number]
            theta += (n * forward.hidden[number - 1].a + 1) * outer
    return theta, forward.output


def learn(
    architecture: Architecture,
    kernel: Matrix,
    covariance: Matrix,
    targets: Targets,
    descent: Descent,
) -> Learning:
    """Train the linearised network on a batch, from one draw of its outputs.

    The first 200 steps are those of the descent. At most 200 strides cover the others. In strides
    the kernel's large eigenvalues are reduced, so that strides are stable: eigenvectors that would
    be learnt within one stride are learnt over several. Instead of momentum, strides use the step
    size to which it is equivalent.

    Args:
        architecture: the network; its task and cost are used.
        kernel: Theta (B, B).
        covariance: S^(L) of the outputs, (B, B).
        targets: targets of the B examples.
        descent: learning rate, steps and momentum.
    """
    if not (np.isfinite(kernel).all() and np.isfinite(covariance).all()):
        return Learning(float("nan"), True, float("inf"))
    cost, wanted = architecture.cost.build(COSTS), targets.columns.astype(np.float64)
    values, vectors = np.linalg.eigh(covariance)
    draw = default_rng(0).standard_normal(wanted.shape)
    z = draw * np.sqrt(np.maximum(values, 0)) @ vectors.T
    values, vectors = np.linalg.eigh(kernel)
    rate = descent.learning_rate / len(targets)
    largest_step = rate * float(values[-1])
    start, velocity = cost.value(z, wanted).mean(), np.zeros_like(z)
    exact = min(descent.steps, EXACT)
    for _ in range(exact):
        velocity = descent.momentum * velocity - rate * (delta_now(cost, z, wanted) @ kernel)
        z = z + velocity
        if not cost.value(z, wanted).mean() <= RISE * start:  # also if it is NaN
            return Learning(float("nan"), True, largest_step)
    rest = descent.steps - exact
    strides = min(rest, COARSE)
    if strides:
        rate *= rest / strides / (1 - descent.momentum)
        limit = DAMPED / (rate * _curvature(cost, z, wanted))
        kernel = (vectors * np.clip(values, 0, limit)) @ vectors.T
    for _ in range(strides):
        z = z - rate * (delta_now(cost, z, wanted) @ kernel)
    return Learning(find_task(architecture.task).score(z, targets), False, largest_step)


def _curvature(cost: Cost, z: Matrix, targets: Matrix) -> float:
    """Return the largest d^2C_i/dz_k^2 at outputs z and at 0."""
    h, found = 1e-4, 0.0
    for at in (z, np.zeros_like(z)):
        for k in range(len(z)):
            shift = np.zeros((len(z), 1))
            shift[k] = h
            difference = delta_now(cost, at + shift, targets) - delta_now(cost, at - shift, targets)
            found = max(found, float(difference[k].max()) / (2 * h))
    return found
