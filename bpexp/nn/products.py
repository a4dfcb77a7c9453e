"""Matrix products of stacks, asked of BLAS in the way that it makes them fastest.

OpenBLAS multiplies small matrices, up to a million multiplications, in kernels of their own, which
do not copy their operands first. The rules below were measured on its kernels for AVX2 and AVX-512.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np

from bpexp.nn.activations import Array
from bpexp.nn.tape import Emit

SMALL = 10**6  # multiplications
ROWS = 16  # blocks of fewer rows take as long as all rows, or longer


def product(emit: Emit, left: Array, right: Array, out: Array) -> None:
    """Multiply (R, n, m) by (R, m, k); operands that all networks share may be (n, m) and (m, k).

    The method `dot` calls the same BLAS routine as `np.matmul` with less overhead, which saves an
    eighth of a small network's step. With vectors it calls other ones, and of stacks it knows none.
    """
    blocks = _blocks(left, right)
    if len(out) > 1 or min(*left.shape[-2:], right.shape[-1]) == 1:
        for rows in blocks:
            emit(np.matmul, left[..., rows, :], right, out[:, rows])
    else:
        left, right, out = (array.reshape(array.shape[-2:]) for array in (left, right, out))
        for rows in blocks:
            emit(left[rows].dot, right, out[rows])


def turning_pays(n_in: int, n_out: int, batch: int) -> bool:
    """Return whether the product a delta^T is made faster by turning delta in memory first.

    With a transposed right side the small kernels for AVX-512 take up to 1.3 times as long, unless
    the result is so small that they add along the examples; and turning costs little while delta
    fits the nearest cache. Those for AVX2 take as long as without.
    """
    small = n_in * n_out > 1100 and n_out * batch <= 2**13 and n_in * n_out * batch < SMALL
    return small and _on_avx512()


def rows_at_a_time(n: int, m: int, k: int) -> int:
    """Return how many rows of (n, m) to multiply by (m, k) at once, neither of them transposed.

    Blocks of rows that are small take .6 to 1 of the time of all rows with the kernels for AVX-512,
    1.1 to 1.3 with those for AVX2.
    """
    block = SMALL // (m * k) // ROWS * ROWS
    return block if n * m * k > SMALL and block and _on_avx512() and _on_one_thread() else n


def _blocks(left: Array, right: Array) -> list[slice]:
    """Return the rows of each call: all at once if an operand is transposed."""
    n, m, k = *left.shape[-2:], right.shape[-1]
    untransposed = all(array.strides[-1] == array.itemsize for array in (left, right))
    block = rows_at_a_time(n, m, k) if untransposed else n
    return [slice(start, start + block) for start in range(0, n, block)]


def _on_avx512() -> bool:
    """Return whether NumPy multiplies with OpenBLAS's kernels for AVX-512."""
    kernels = getattr(_numpys_blas(), "architecture", None)
    return kernels in ("SkylakeX", "Cooperlake", "SapphireRapids")


def _on_one_thread() -> bool:
    """Return whether NumPy multiplies on one thread; more share out large products only."""
    return getattr(_numpys_blas(), "num_threads", None) == 1


@cache  # finding it takes milliseconds, asking it a microsecond
def _numpys_blas() -> Any:
    """Return threadpoolctl's handle of the BLAS that NumPy calls; SciPy may bring its own.

    None if it is not found, or threadpoolctl is not there, as where a model is served.
    """
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    home = os.path.realpath(os.path.dirname(np.__file__))  # wheels: numpy.libs, numpy/.dylibs
    own = [library for library in found if library.filepath.startswith(home)]
    return next(iter(own or found), None)
