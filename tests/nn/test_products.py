"""Products by other calls: when they are used, and that they are the same products."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from bpexp.nn import products, tuning
from bpexp.nn.tape import Tape, call_now

RNG = np.random.default_rng(0)
AVX512 = SimpleNamespace(architecture="SkylakeX", num_threads=1)
AVX2 = SimpleNamespace(architecture="Haswell", num_threads=1)


@pytest.fixture
def avx512(monkeypatch):
    """Whatever the processor is."""
    monkeypatch.setattr(tuning, "_numpys_blas", lambda: AVX512)


@pytest.mark.parametrize(("blas", "turned"), [(AVX512, True), (AVX2, False), (None, False)])
def test_a_delta_is_turned_for_some_kernels_only(monkeypatch, blas, turned):
    monkeypatch.setattr(tuning, "_numpys_blas", lambda: blas)
    assert tuning.turning_pays(64, 64, 128) is turned
    assert not tuning.turning_pays(64, 64, 256)
    assert not tuning.turning_pays(32, 32, 32)
    assert tuning.transposing_pays(784) is turned
    assert not tuning.transposing_pays(64)


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ((100, 100, 100), 100),  # small as a whole
        ((256, 785, 32), 32),
        ((128, 128, 128), 48),
        ((256, 256, 256), 256),  # so are not even 16 rows
    ],
)
def test_a_block_is_the_largest_that_is_small(avx512, shape, rows):
    assert tuning.rows_at_a_time(*shape) == rows


@pytest.mark.parametrize(
    ("blas", "rows"),
    [
        (AVX512, 48),
        (SimpleNamespace(architecture="SkylakeX", num_threads=2), 128),
        (AVX2, 128),
        (SimpleNamespace(num_threads=1), 128),  # no OpenBLAS
        (None, 128),
    ],
)
def test_other_processors_and_more_threads_take_all_rows(monkeypatch, blas, rows):
    monkeypatch.setattr(tuning, "_numpys_blas", lambda: blas)
    assert tuning.rows_at_a_time(128, 128, 128) == rows


def test_numpys_blas_is_found_beside_others_and_tells_its_threads():
    pytest.importorskip("scipy.linalg")
    tuning._numpys_blas.cache_clear()
    blas = tuning._numpys_blas()
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    if "openblas" in built:
        assert blas.internal_api == "openblas"
        assert "scipy.libs" not in blas.filepath
    for threads in (1, 2, 1):
        with threadpool_limits(threads, user_api="blas"):
            assert blas.num_threads == min(threads, os.cpu_count())


def test_the_kernel_works_without_threadpoolctl(monkeypatch):
    """As where a model is served."""
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    tuning._numpys_blas.cache_clear()
    assert tuning.rows_at_a_time(128, 128, 128) == 128
    tuning._numpys_blas.cache_clear()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("shape", [(100, 128, 128), (97, 785, 32), (5, 3, 4), (9, 1, 4), (4, 3, 1)])
@pytest.mark.parametrize("turned", [(), ("left",), ("right",), ("left", "right")])
def test_blocks_make_the_product(avx512, turned, shape, copies, dtype):
    n, m, k = shape

    def operand(name, *sizes):
        if name in turned:
            return RNG.standard_normal((copies, *sizes[::-1])).astype(dtype).swapaxes(1, 2)
        return RNG.standard_normal((copies, *sizes)).astype(dtype)

    left, right = operand("left", n, m), operand("right", m, k)
    out = np.full((copies, n, k), np.nan, dtype)
    products.product(call_now, left, right, out)
    exact = np.einsum("rnm,rmk->rnk", left.astype(float), right.astype(float))
    tiny = 60 * np.finfo(dtype).eps * np.sqrt(m)  # sums of two signs cancel
    np.testing.assert_allclose(out, exact, rtol=0, atol=tiny)
    shared = np.full_like(out, np.nan)
    products.product(call_now, left[0], right, shared)
    assert shared[0].tobytes() == out[0].tobytes()
    for r in range(copies):
        alone = np.full_like(out[:1], np.nan)
        products.product(call_now, left[r : r + 1], right[r : r + 1], alone)
        assert alone[0].tobytes() == out[r].tobytes()


def test_a_large_product_is_several_calls(avx512):
    tape = Tape()
    left, right, out = np.ones((1, 256, 785)), np.ones((1, 785, 32)), np.empty((1, 256, 32))
    products.product(tape.record, left, right, out)
    assert len(tape) == 8
