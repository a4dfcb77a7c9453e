"""The table of instruments: every quantity that can be measured of a network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from bpexp.probes import layers, streams
from bpexp.probes.jacobian import jacobian_spectrum
from bpexp.probes.parameters import weight_norm, weight_spectrum
from bpexp.probes.shattering import gradient_correlation
from bpexp.probes.statistics import LayerStatistics, Values

ORIGIN = {"layer": 1, "rank": 1}
"""Where the indices of a dimension start in tables; all others start at 0."""


@dataclass(frozen=True)
class Instrument:
    """A quantity that can be measured of a network.

    Journals, Parquet tables, frames and figures take an instrument's name and dimensions from its
    row and the record; MLflow shows those without dimensions. Theory predicts an instrument where
    `bpexp.theory.BatchPrediction` has a field of its name.

    Attributes:
        measure: the function that measures; the first line of its docstring is the instrument's
            meaning in `--help`. It returns an array-like with one axis for each dimension, nested
            lists if lengths differ, or None if the quantity is not defined for the architecture.
        dims: names of the dimensions: () for one number per run, ("layer",), ("example", "rank").
        of: the argument of `measure`, which determines its time. "statistics": the
            `LayerStatistics` of R networks at once, without further passes; an array has the axis R
            first. "network": one `ProbedNetwork`; the time of its own computation is added to each
            probe.
        standard: whether every run measures it; other instruments are chosen by the keys `measure`
            or `probe.<examples_key>`.
        examples_key: the name, under `probe.`, of the key for its number of examples, which is
            passed to `measure` as second argument; at 0 it is not measured.
        optional: whether it is standard, but defined for some networks only; tables of other
            networks have no column.
        log: whether its values span orders of magnitude; they are averaged and drawn on a log
            scale.
        hidden: whether figures leave out the output layer, whose activation is another function.
        former_key: its key in the observations of version 0.1.
        source: digest of the source of a registered instrument (`bpexp.register`). The key
            `measure` contains it after the name, NAME@DIGEST, so that an edited instrument makes
            another run.
    """

    measure: Callable[..., Any]
    dims: tuple[str, ...]
    of: Literal["statistics", "network"]
    standard: bool = False
    examples_key: str | None = None
    optional: bool = False
    log: bool = False
    hidden: bool = False
    former_key: str | None = None
    source: str = ""

    @property
    def meaning(self) -> str:
        """The instrument's meaning in one line."""
        return (inspect.getdoc(self.measure) or "").partition("\n")[0]


def _layer(
    measure: Callable[[LayerStatistics], Values | None],
    *,
    optional: bool = False,
    log: bool = False,
    hidden: bool = False,
) -> Instrument:
    """Return a row of the standard instruments: one number a layer from the layer statistics."""
    return Instrument(
        measure,
        ("layer",),
        "statistics",
        standard=True,
        optional=optional,
        log=log,
        hidden=hidden,
    )


INSTRUMENTS: dict[str, Instrument] = {
    "grad_norm": _layer(layers.grad_norm, log=True),
    "bias_grad_norm": _layer(layers.bias_grad_norm, log=True),
    "delta_norm": _layer(layers.delta_norm, log=True),
    "weight_factor": _layer(layers.weight_factor, log=True),
    "slope_factor": _layer(layers.slope_factor, log=True),
    "norm_factor": _layer(layers.norm_factor, optional=True, log=True),
    "update_ratio": _layer(layers.update_ratio, log=True),
    "zero_share": _layer(layers.zero_share),
    "subnormal_share": _layer(layers.subnormal_share),
    "activation_mean": _layer(layers.activation_mean, hidden=True),
    "activation_variance": _layer(layers.activation_variance, log=True, hidden=True),
    "q": _layer(layers.q, log=True),
    "correlation": _layer(layers.correlation),
    "saturation": _layer(layers.saturation),
    "dead": _layer(layers.dead),
    "stream_gradient": _layer(streams.stream_gradient, optional=True, log=True),
    "stream_mean": _layer(streams.stream_mean, optional=True),
    "stream_mean_square": _layer(streams.stream_mean_square, optional=True, log=True),
    "stream_squared_mean": _layer(streams.stream_squared_mean, optional=True, log=True),
    "stream_variance": _layer(streams.stream_variance, optional=True, log=True),
    "branch_variance": _layer(streams.branch_variance, optional=True, log=True),
    "output_saturation": Instrument(layers.output_saturation, (), "statistics", standard=True),
    "global_grad_norm": Instrument(layers.global_grad_norm, (), "statistics", log=True),
    "gradient_correlation": Instrument(gradient_correlation, (), "network"),
    "weight_norm": Instrument(weight_norm, ("layer",), "network", log=True),
    "weight_spectrum": Instrument(weight_spectrum, ("layer", "rank"), "network", log=True),
    "jacobian_spectrum": Instrument(
        jacobian_spectrum,
        ("example", "rank"),
        "network",
        examples_key="jacobian",
        log=True,
        former_key="spectra",
    ),
}


def selected(chosen: Collection[str]) -> dict[str, Instrument]:
    """Return the instruments that a run measures: the standard ones and those chosen, by name."""
    return {name: row for name, row in INSTRUMENTS.items() if row.standard or name in chosen}
