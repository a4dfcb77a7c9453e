"""Matrix products of stacks, dispatched to the fastest BLAS call for their shape.

The shapes are those of layers: R networks, B examples, n_in and n_out units. `bpexp.nn.tuning`
holds the rules and their measurements.
"""

from __future__ import annotations

import numpy as np

from bpexp.nn import memory
from bpexp.nn.activations import Array
from bpexp.nn.tape import Emit, assign
from bpexp.nn.tuning import rows_at_a_time, transposing_pays, turning_pays


def product(emit: Emit, left: Array, right: Array, out: Array) -> None:
    """Write left right, (R, n, m) times (R, m, k), into `out`, (R, n, k).

    An operand that all networks share may have two dimensions. The method `dot` calls the same BLAS
    routine as `np.matmul` with less overhead, which saves an eighth of a small network's step. It
    does not accept stacks, and for vectors it calls other routines. It copies some slices of
    transposed arrays, and the last digits then depend on R. Callers must therefore multiply all
    rows of the inputs at once.

    Args:
        emit: receives the calls.
        left: (R, n, m) or (n, m).
        right: (R, m, k) or (m, k).
        out: (R, n, k).
    """
    blocks = _blocks(left, right)
    if len(out) > 1 or min(*left.shape[-2:], right.shape[-1]) == 1:
        for rows in blocks:
            emit(np.matmul, left[..., rows, :], right, out[:, rows])
    else:
        left, right, out = (array.reshape(array.shape[-2:]) for array in (left, right, out))
        for rows in blocks:
            emit(left[rows].dot, right, out[rows])


def weighted_sums(emit: Emit, theta: Array, a: Array, out: Array) -> None:
    """Write theta^T a, a layer's pre-activations, into `out`.

    Args:
        emit: receives the calls.
        theta: (R, n_in + 1, n_out).
        a: (R, n_in + 1, B) or (n_in + 1, B); inputs are stored transposed, with a row per example.
        out: (R, n_out, B).
    """
    is_transposed = a.strides[-1] != a.itemsize
    if is_transposed and transposing_pays(theta.shape[1] - 1):
        turned = memory.empty((*out.shape[:1], *out.shape[:0:-1]), out.dtype)
        product(emit, a.swapaxes(-1, -2), theta, turned)
        assign(emit, out, turned.swapaxes(1, 2))
    else:
        product(emit, theta.swapaxes(1, 2), a, out)


def gradient_of_weights(emit: Emit, a: Array, delta: Array, out: Array, scratch: Array) -> None:
    """Write a delta^T, the gradient with respect to theta summed over the examples, into `out`.

    Args:
        emit: receives the calls.
        a: (R, n_in + 1, B) or (n_in + 1, B).
        delta: (R, n_out, B).
        out: (R, n_in + 1, n_out).
        scratch: contiguous memory of delta's shape.
    """
    copies, n_out, batch = delta.shape
    right = delta.swapaxes(1, 2)
    if turning_pays(out.shape[1] - 1, n_out, batch):
        turned = scratch.reshape(copies, batch, n_out)
        assign(emit, turned, right)
        right = turned
    product(emit, a, right, out)


def _blocks(left: Array, right: Array) -> list[slice]:
    """Return the rows of each call, which are all rows if an operand is transposed."""
    n, m, k = *left.shape[-2:], right.shape[-1]
    untransposed = all(array.strides[-1] == array.itemsize for array in (left, right))
    block = rows_at_a_time(n, m, k) if untransposed else n
    return [slice(start, start + block) for start in range(0, n, block)]
