"""Measure the networks of a stack with a set of instruments on one probe batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bpexp.nn.activations import Array
from bpexp.nn.stack import Stack
from bpexp.probes.instruments import selected
from bpexp.probes.network import ProbedNetwork
from bpexp.probes.recording import StatisticsRecorder
from bpexp.probes.statistics import RECORDED
from bpexp.probes.values import Value, as_value

Measured = dict[str, NDArray[np.float64] | list[Value | None]]
"""Values of R networks by instrument: an array (R, ...), or a list of R values, None where the
instrument is not defined or the network was not measured."""


class Measurer:
    """Measures a stack's networks with instruments, in buffers that are allocated once.

    Networks are measured one after another, so the buffers stay in the cache, and the numbers of a
    run do not depend on the other runs of the stack.
    """

    def __init__(
        self,
        stack: Stack,
        rows: Array,
        targets: Array,
        instruments: Mapping[str, int] | None = None,
    ) -> None:
        """Allocate for networks of the stack's architecture.

        Args:
            stack: the networks.
            rows: inputs of the probe batch with the constant unit, (B, n_0 + 1).
            targets: targets of the probe batch, (K, B).
            instruments: the instruments to measure beside the standard ones, each with its number
                of examples; 0 for those that take none.
        """
        self._probed = ProbedNetwork(stack, rows, targets)
        self._recorder = StatisticsRecorder(self._probed)
        self._examples = dict(instruments or {})
        found = selected(self._examples)
        self._equations = {n: row for n, row in found.items() if row.of == "statistics"}
        self._others = {n: row for n, row in found.items() if row.of == "network"}

    def __call__(self, stack: Stack, before: Array | None, which: NDArray[np.bool_]) -> Measured:
        """Measure networks of the stack.

        Args:
            stack: the networks; they are not changed.
            before: their parameters (R, P) before the last optimizer step, in the same dtype; None
                before the first step.
            which: whether to measure each network, (R,).

        Returns:
            R values of each instrument; those of other networks are NaN or None.

        Raises:
            ValueError: the dimensions of an instrument's value are not those of its row.
        """
        runs = len(stack)
        recorded = np.full((len(RECORDED), runs, len(stack.layers)), np.nan)
        others: dict[str, list[Value | None]] = {name: [None] * runs for name in self._others}
        with np.errstate(all="ignore"):  # overflow and undefined values are results
            for r in map(int, np.flatnonzero(which)):
                self._probed.load(stack, r)
                recorded[:, r] = self._recorder.record(None if before is None else before[r])
                for name in others:
                    others[name][r] = self._measure(name)
            statistics = self._recorder.statistics(recorded)
            values: Measured = {}
            for name, row in self._equations.items():
                array = row.measure(statistics)
                if array is None:
                    values[name] = [None] * runs
                    continue
                if array.ndim != 1 + len(row.dims):
                    axes = f"{array.ndim - 1} axes instead of {len(row.dims)}"
                    raise ValueError(_wrong(name, axes))
                values[name] = array if row.dims else array.tolist()
        return values | others

    def _measure(self, name: str) -> Value | None:
        """Measure the loaded network with an instrument that takes a `ProbedNetwork`."""
        row = self._others[name]
        examples = (self._examples[name],) if row.examples_key else ()
        value = row.measure(self._probed, *examples)
        try:
            return None if value is None else as_value(value, len(row.dims))
        except ValueError as error:
            raise ValueError(_wrong(name, str(error))) from None


def _wrong(name: str, found: str) -> str:
    return f"{name}: {found}, as its row in the table of instruments says"
