"""Matrix products of stacks, asked of BLAS in the way that it makes them fastest.

OpenBLAS multiplies small matrices, up to a million multiplications, in kernels of their own, which
do not copy their operands first. The rules below were measured on its kernels for AVX2 and AVX-512.
"""

from __future__ import annotations

import numpy as np

from bpexp.nn.activations import Array
from bpexp.nn.tape import Do

SMALL = 10**6  # multiplications
ROWS = 16  # which OpenBLAS's kernels for AVX-512 take at once

# From here on the first product is made with the examples as rows and then turned: BLAS multiplies
# two transposed matrices a third slower, and turning z costs less than that on wide inputs only.
WIDE = 512


def product(do: Do, left: Array, right: Array, out: Array) -> None:
    """Multiply (R, n, m) by (R, m, k), where operands of one matrix may lack R.

    The method `dot` calls the same BLAS routine as `np.matmul` with less overhead, which saves an
    eighth of a small network's step. It takes matrices only, and vectors in ways of its own.
    """
    if len(out) > 1 or min(*left.shape[-2:], right.shape[-1]) == 1:
        for rows in _blocks(left, right):
            do(np.matmul, left[..., rows, :], right, out[:, rows])
        return
    left, right, out = (array.reshape(array.shape[-2:]) for array in (left, right, out))
    for rows in _blocks(left, right):
        do(left[rows].dot, right, out[rows])


def turning_pays(n_in: int, n_out: int, batch: int) -> bool:
    """Return whether the product a delta^T is made faster by turning delta in memory first.

    With a transposed right side the kernels for small matrices take up to 1.3 times as long, unless
    the result is so small that they add along the examples; and turning costs little while delta
    fits the nearest cache.
    """
    return n_in * n_out > 1100 and n_out * batch <= 2**13 and n_in * n_out * batch < SMALL


def rows_at_a_time(n: int, m: int, k: int) -> int:
    """Return how many rows of (n, m) to multiply by (m, k) at once, neither of them transposed.

    Blocks of rows that are small take .6 to .95 of the time of all rows with the kernels for
    AVX-512, 1.1 to 1.3 with those for AVX2.
    """
    block = SMALL // (m * k) // ROWS * ROWS
    return block if n * m * k > SMALL and block and _on_avx512() else n


def _blocks(left: Array, right: Array) -> list[slice]:
    """Part the rows of a product."""
    n, m, k = *left.shape[-2:], right.shape[-1]
    plain = all(array.strides[-1] == array.itemsize for array in (left, right))
    block = rows_at_a_time(n, m, k) if plain else n
    return [slice(start, start + block) for start in range(0, n, block)]


def _on_avx512() -> bool:
    """Return whether BLAS is OpenBLAS with its kernels for AVX-512, on one thread.

    More threads share out large products only, not blocks of them.
    """
    from threadpoolctl import threadpool_info  # not needed by --help

    return any(
        library.get("architecture") in ("SkylakeX", "Cooperlake", "SapphireRapids")
        and library["num_threads"] == 1
        for library in threadpool_info()
    )
