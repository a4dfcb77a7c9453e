"""Thresholds found by measurement, which depend on OpenBLAS's kernels and on NumPy.

They change the way in which a result is computed, not the result, except for rounding errors.
OpenBLAS multiplies small matrices, up to SMALL multiplications, with special kernels, which do not
copy their operands first. The kernels for AVX-512 (SkylakeX and later) and for AVX2 (Haswell, Zen)
differ.

Time with a rule divided by time without it: NumPy 2.4, OpenBLAS 0.3.31, float32, one thread, Zen 4
with the kernels for AVX-512 and, by OPENBLAS_CORETYPE, with those for AVX2:

    rule                what is timed                                  AVX-512      AVX2
    turning_pays        product a delta^T, copy included, 64 units     .76 to .86   1.15 to 1.24
    rows_at_a_time      product of untransposed matrices               .81 to .91   1.06 to 1.28
    transposing_pays    first product, 512 inputs up, 32 to 128 units,
                        128 examples up                                .52 to .98   .92 to 1.07
      the same          32 examples                                    .62 to 1.16  .90 to 1.11
      the same          256 units                                      .82 to 1.04  .98 to 1.11
    UFUNC_BUFFER        a step of small layers, alone and in stacks    .94 to 1.01  not measured

The rules for products are therefore applied with AVX-512 only. The third one gains less with fewer
than 512 inputs; with 64 inputs the ratio is 1.7.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np

SMALL = 10**6  # multiplications
ROWS = 16  # blocks of fewer rows take as long as all rows, or longer
WIDE = 512  # inputs

UFUNC_BUFFER = 1024
"""Entries of NumPy's ufunc buffer while steps are taken; its default is 8192.

NumPy copies an operand that is not contiguous through this buffer if two of its contiguous pieces
fit. Pieces of a stack's a^(l) fit into 8192 entries, and the copy takes more time than the short
inner loops that it avoids.
"""


def turning_pays(n_in: int, n_out: int, batch: int) -> bool:
    """Return whether to transpose delta in memory before the product a delta^T.

    With a transposed right operand the small kernels for AVX-512 take up to 1.3 times as long,
    unless the result is so small that they reduce along the batch axis. The copy is cheap while
    delta fits into the first-level cache.

    Args:
        n_in: units of the layer below.
        n_out: units of the layer.
        batch: examples.
    """
    small = n_in * n_out > 1100 and n_out * batch <= 2**13 and n_in * n_out * batch < SMALL
    return small and _on_avx512()


def transposing_pays(n_in: int) -> bool:
    """Return whether to compute theta^T a as (a^T theta)^T if a is also stored transposed.

    The kernels for AVX-512 are a third slower for two transposed matrices. For wide inputs the copy
    that transposes the result takes less time than that.

    Args:
        n_in: units of the layer below.
    """
    return n_in >= WIDE and _on_avx512()


def rows_at_a_time(n: int, m: int, k: int) -> int:
    """Return the number of rows of (n, m) to multiply by (m, k) in one call, both untransposed.

    Blocks that are small enough for the small kernels are faster with AVX-512 on one thread.
    """
    block = SMALL // (m * k) // ROWS * ROWS
    return block if n * m * k > SMALL and block and _on_avx512() and _on_one_thread() else n


def _on_avx512() -> bool:
    """Return whether NumPy multiplies with OpenBLAS's kernels for AVX-512."""
    kernels = getattr(_numpys_blas(), "architecture", None)
    return kernels in ("SkylakeX", "Cooperlake", "SapphireRapids")


def _on_one_thread() -> bool:
    """Return whether NumPy multiplies on one thread; several threads share only large products."""
    return getattr(_numpys_blas(), "num_threads", None) == 1


@cache  # finding the library takes milliseconds, reading its settings a microsecond
def _numpys_blas() -> Any:
    """Return threadpoolctl's handle of the BLAS that NumPy calls; SciPy may load another one.

    It is None if no BLAS is found, or if threadpoolctl is not installed, as for serving a model.
    """
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    home = os.path.realpath(os.path.dirname(np.__file__))  # wheels: numpy.libs, numpy/.dylibs
    own = [library for library in found if library.filepath.startswith(home)]
    return next(iter(own or found), None)
