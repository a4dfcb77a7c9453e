"""Memory: where arrays begin, and that the buffers of a pass begin at a cache line."""

from __future__ import annotations

import numpy as np
import pytest

from bpexp.nn import Architecture, Choice, memory
from bpexp.nn.propagation import Propagation
from bpexp.nn.stack import Stack, initial_theta


def begins_at_a_line(array) -> bool:
    return array.ctypes.data % memory.LINE == 0


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 1, 9), (0, 4), (200, 300)])
def test_empty_is_an_array_as_any_other_that_begins_at_a_line(shape, dtype):
    arrays = [memory.empty(shape, dtype) for _ in range(5)]
    for number, array in enumerate(arrays):
        assert array.shape == shape
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert begins_at_a_line(array) or not array.size
        array[...] = number % 2
    assert all((array == number % 2).all() for number, array in enumerate(arrays))


def test_empty_like_keeps_the_order_of_axes():
    turned = np.zeros((4, 2, 3)).transpose(1, 2, 0)
    array = memory.empty_like(turned)
    assert array.shape == turned.shape
    assert array.strides == turned.strides
    assert begins_at_a_line(array)
    assert memory.empty_like(turned, np.bool_).transpose(2, 0, 1).flags.c_contiguous


def test_a_copy_is_in_c_order_and_of_the_dtype_asked_for():
    values = np.arange(12.0).reshape(3, 4).T
    array = memory.copy(values, "float32")
    np.testing.assert_array_equal(array, values)
    assert array.dtype == "float32"
    assert array.flags.c_contiguous
    assert begins_at_a_line(array)


@pytest.mark.parametrize("copies", [1, 3])
def test_the_buffers_of_a_pass_begin_at_a_line(copies):
    """16 float32 numbers to a line: with 16 units and examples every layer does."""
    architecture = Architecture.dense((15, 16, 32, 16), Choice("tanh"), Choice("cross_entropy"))
    draws = [initial_theta(architecture, Choice("he_normal"), seed) for seed in range(copies)]
    stack = Stack.of(architecture, draws, "float32")
    passes = Propagation(stack, memory.empty((copies, 16, 16), "float32"))
    at = passes.buffers
    arrays = [*at.z, *at.a[1:], *at.slope, *at.delta, passes.columns]
    arrays += [part for scratch in at.scratch for part in vars(scratch).values()]
    arrays += [*stack.layers, *(arrays["theta"] for arrays in at.gradients[1:])]
    assert all(begins_at_a_line(array) for array in arrays if array.size)
