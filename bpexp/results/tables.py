"""Load all frames that figures are drawn from, for any set of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from bpexp.record.export import TABLES
from bpexp.record.metrics import Part
from bpexp.record.run import Run
from bpexp.results.borders import with_borders
from bpexp.results.forecasts import forecast_rows
from bpexp.results.frames import joined, own, run_row, typed
from bpexp.results.theory import Known, known, phase_plane, theory_columns

SPECTRUM = {"jacobian_spectrum": "singular_value"}  # its name in `load_spectra`


@dataclass(frozen=True)
class Tables:
    """The frames that figures are drawn from.

    Attributes:
        runs: as `load_runs`, with the forecast of each run as columns theory/...: sigma_w2,
            sigma_b2, chi_1, deepest, first_to_last, linearised_score, trains,
            jacobian_mean_square, ...
        layers: as `load_layers`, followed by the rows of `load_theory`.
        curves: as `load_curves`.
        measurements: as `load_measurements`, by instrument: all measured instruments except those
            of one number per layer, which are columns of `layers`.
        plane: points of the (sigma_w2, sigma_b2) plane: each activation's critical line, source
            "theory", in columns activation, theory/sigma_w2 and theory/sigma_b2; and the runs.
        trainability: the runs, and points of the border theory/deepest along each setting of the
            activation or initialization that has three values or more, source "theory".
    """

    runs: pd.DataFrame
    layers: pd.DataFrame
    curves: pd.DataFrame
    measurements: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    plane: pd.DataFrame = field(default_factory=pd.DataFrame)
    trainability: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def of(cls, found: Iterable[Run]) -> Tables:
        """Load the tables of runs.

        Args:
            found: the runs, in the order of the frames' rows.
        """
        recorded = list(found)
        if not recorded:
            return cls(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
        study = recorded[0].folder.parent
        understood = [known(run.start) for run in recorded]
        runs = _rows(recorded, understood)
        owns = [own(run.start) for run in recorded]
        parts: dict[str, list[Part]] = {name: [] for name in TABLES}
        for run, about in zip(recorded, owns, strict=True):
            for name, columns in run.tables().items():
                parts.setdefault(name, []).append((about, columns))
        activations = dict.fromkeys(config.activation for config, _ in filter(None, understood))
        theory = list(zip(owns, theory_columns(understood, study=study), strict=True))
        measured = sum(len(columns["layer"]) for _, columns in parts["layers"])
        both = joined(parts["layers"] + theory)
        source = np.where(np.arange(len(both)) < measured, "measured", "theory")
        return cls(
            runs,
            both.assign(source=source),
            joined(parts["curves"]),
            {name: joined(found) for name, found in parts.items() if name not in TABLES},
            phase_plane(activations, runs),
            with_borders(runs, understood),
        )

    @staticmethod
    def of_runs(found: Iterable[Run]) -> pd.DataFrame:
        """Load only `runs`, without the tables that have several rows for each run."""
        recorded = list(found)
        return _rows(recorded, [known(run.start) for run in recorded])

    @property
    def spectra(self) -> pd.DataFrame:
        """As `load_spectra`."""
        return self.table("jacobian_spectrum").rename(columns=SPECTRUM)

    def table(self, name: str) -> pd.DataFrame:
        """Return the frame of an attribute or an instrument by name; empty if not measured."""
        own = {"runs": self.runs, "layers": self.layers, "curves": self.curves, "plane": self.plane}
        own["trainability"] = self.trainability
        if name == "spectra":
            return self.spectra
        return own[name] if name in own else self.measurements.get(name, pd.DataFrame())


def _rows(runs: Sequence[Run], understood: Sequence[Known | None]) -> pd.DataFrame:
    """Return `Tables.runs`."""
    study = runs[0].folder.parent if runs else None
    forecasts = forecast_rows(understood, study)
    rows = [run_row(run) | forecast for run, forecast in zip(runs, forecasts, strict=True)]
    return typed(pd.DataFrame(rows))
