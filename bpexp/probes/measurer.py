"""Measuring the networks of a stack with a set of instruments on one probe batch."""

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
    """The instruments that measure a stack's networks, their probe batch and buffers.

    Networks are measured one after another, whatever the stack: the buffers stay in the cache, and
    the numbers of a run cannot depend on the runs beside it.
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
            instruments: what to measure beside the standard instruments, each with the number of
                examples it is measured at; 0 for those that take no such number.
        """
        self._probed = ProbedNetwork(stack, rows, targets)
        self._recorder = StatisticsRecorder(self._probed)
        self._examples = dict(instruments or {})
        found = selected(self._examples)
        self._equations = {n: row for n, row in found.items() if row.of == "statistics"}
        self._others = {n: row for n, row in found.items() if row.of == "network"}

    def __call__(self, stack: Stack, before: Array | None, which: NDArray[np.bool_]) -> Measured:
        """Measure the networks `which` (R,).

        Args:
            stack: the networks; they are not changed.
            before: their parameters (R, P) before the last optimizer step, in the same dtype; None
                before the first step.
            which: the networks to measure.

        Returns:
            R values of each instrument; those of the networks left out are NaN or None.

        Raises:
            ValueError: an instrument returns other dimensions than its row says.
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
        """Measure the network that is loaded with an instrument that takes a `ProbedNetwork`."""
        row = self._others[name]
        examples = (self._examples[name],) if row.examples_key else ()
        value = row.measure(self._probed, *examples)
        try:
            return None if value is None else as_value(value, len(row.dims))
        except ValueError as error:
            raise ValueError(_wrong(name, str(error))) from None


def _wrong(name: str, found: str) -> str:
    return f"{name}: {found}, as its row in the table of instruments says"
