"""A study's frames, from its journals or from a tracking server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bpexp.errors import BpexpError
from bpexp.nn import Choice, Network
from bpexp.record.journal import FILE, RUNS, WEIGHTS, History, first, read
from bpexp.record.metrics import Columns, Part, curve_columns, layer_columns, spectrum_columns
from bpexp.results.frames import joined, own, run_row, typed
from bpexp.results.theory import forecast_row, known, phase_plane, theory_columns
from bpexp.tracking.reader import stored_layers, stored_rows


@dataclass(frozen=True)
class Tables:
    """The frames that figures are drawn from.

    Attributes:
        runs: as `load_runs`, with what theory forecast of each run as theory/...: sigma_w2,
            sigma_b2, chi_1, deepest (6 xi_c), first_to_last, trains, jacobian_mean_square, ...
        layers: as `load_layers`, theory's rows below the measured ones.
        curves: as `load_curves`.
        spectra: as `load_spectra`.
        plane: points of the (sigma_w2, sigma_b2) plane: each activation's critical line, source
            "theory", in columns activation, theory/sigma_w2 and theory/sigma_b2; and the runs.
    """

    runs: pd.DataFrame
    layers: pd.DataFrame
    curves: pd.DataFrame
    spectra: pd.DataFrame = field(default_factory=pd.DataFrame)
    plane: pd.DataFrame = field(default_factory=pd.DataFrame)

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Tables:
        """Read the journals of these runs; runs that never began are left out.

        One after another: a journal takes far more room than what is kept of it.
        """
        rows: list[dict[str, Any]] = []
        layers: list[Part] = []
        theory: list[Part] = []
        curves: list[Part] = []
        spectra: list[Part] = []
        activations: dict[Choice, None] = {}
        for folder in folders:
            history = read(folder)
            if not history.start:
                continue
            about, foreseen = own(history), known(history)
            rows.append(run_row(folder, history) | forecast_row(foreseen))
            layers.append((about, layer_columns(history)))
            theory.append((about, theory_columns(foreseen)))
            curves.append((about, curve_columns(history)))
            spectra.append((about, spectrum_columns(history)))
            if foreseen:
                activations[foreseen[0].activation] = None
        runs = typed(pd.DataFrame(rows))
        if not rows:
            return cls(runs, runs, runs)
        measured = sum(len(columns["layer"]) for _, columns in layers)
        both = joined(layers + theory)
        source = np.where(np.arange(len(both)) < measured, "measured", "theory")
        return cls(
            runs,
            both.assign(source=source),
            joined(curves),
            joined(spectra),
            phase_plane(activations, runs),
        )


def load_tables(study: str, *, root: str | Path = ".") -> Tables:
    """Load all of a study, theory beside it: what `bpexp.figures` draws.

    Raises:
        BpexpError: there is no such study.
    """
    return Tables.of(_study(study, root))


def load_runs(study: str, *, root: str | Path = ".", uri: str | None = None) -> pd.DataFrame:
    """Load a study's runs, a row a run, the latest attempt of each.

    Args:
        study: the study's name.
        root: the folder that holds runs/.
        uri: read from this MLflow tracking store instead of from journals.

    Returns:
        Columns run, name, the configuration, then status, verdict, evidence, diverged_at (step or
        NaN), seconds, epoch (epochs done), chance (accuracy of the best constant guess), the
        metrics of `bpexp.record.metrics.FINAL` (the last finite value each, a cost only if it is
        finite at the end; float64, NaN where there is none), those of START as start/..., and
        folder.

    Raises:
        BpexpError: there is no such study.
    """
    rows = stored_rows(study, uri) if uri else _rows(study, root)
    return typed(pd.DataFrame(list(rows)))


def load_layers(study: str, *, root: str | Path = ".", uri: str | None = None) -> pd.DataFrame:
    """Load every probe of a study: a row a run, step and layer.

    Returns:
        The run's own columns, step (int64), epoch (float64), layer (int64, from 1), the probes of
        `bpexp.probes.PROBES` (float64) and source ("measured").

    Raises:
        BpexpError: there is no such study.
    """
    parts = stored_layers(study, uri) if uri else _parts(study, root, layer_columns)
    return joined(parts).assign(source="measured")


def load_theory(study: str, *, root: str | Path = ".") -> pd.DataFrame:
    """Predict what the probes of a study saw at step 0: the columns of `load_layers`.

    Returns:
        A row a run and layer, at step 0: the probes that theory knows (see
        `bpexp.theory.predict_batch`; the others are absent), source "theory". Runs whose data set
        is not at hand are left out.

    Raises:
        BpexpError: there is no such study.
    """
    parts = _parts(study, root, lambda history: theory_columns(known(history)))
    return joined(parts).assign(source="theory")


def load_curves(study: str, *, root: str | Path = ".") -> pd.DataFrame:
    """Load the learning curves of a study: a row a run and epoch, step 0 included.

    Returns:
        The run's own columns, step, epoch, and the metrics of `bpexp.record.metrics`.

    Raises:
        BpexpError: there is no such study.
    """
    return joined(_parts(study, root, curve_columns))


def load_spectra(study: str, *, root: str | Path = ".") -> pd.DataFrame:
    """Load the Jacobians' singular values of a study (`probe.jacobian`), all that were taken.

    Returns:
        The run's own columns, step, epoch, example, rank (1 is the largest), singular_value.

    Raises:
        BpexpError: there is no such study.
    """
    return joined(_parts(study, root, spectrum_columns))


def load_network(run: Mapping[str, Any] | pd.Series[Any] | str | Path) -> Network:
    """Load the trained network of a run: a row of `load_runs`, or the run's folder.

    Raises:
        BpexpError: the run is not finished, or its weights are damaged.
    """
    folder = Path(run) if isinstance(run, str | Path) else Path(str(run["folder"]))
    if not (folder / WEIGHTS).exists():
        raise BpexpError(f"{folder}: the run has no {WEIGHTS}; is it finished?")
    try:
        return Network.load(folder / WEIGHTS)
    except ValueError as error:
        raise BpexpError(str(error)) from None


def _rows(study: str, root: str | Path) -> Iterator[dict[str, Any]]:
    return (run_row(folder, read(folder)) for folder in _study(study, root))


def _parts(study: str, root: str | Path, columns: Callable[[History], Columns]) -> Iterator[Part]:
    """Yield the own columns of a study's runs, and what `columns` says of them."""
    for folder in _study(study, root):
        history = read(folder)
        yield own(history), columns(history)


def _study(study: str, root: str | Path) -> list[Path]:
    """Find the folder of each run's latest attempt, in the order in which they began."""
    folder = Path(root) / RUNS / study
    if not folder.is_dir():
        there = sorted(path.name for path in folder.parent.glob("*") if path.is_dir())
        raise BpexpError(f"study: no {folder}; there is {', '.join(there) or 'none'}")
    latest: dict[str, tuple[int, float, Path]] = {}
    for journal in folder.glob(f"*/{FILE}"):
        if start := first(journal.parent):
            found = (start["attempt"], start["time"], journal.parent)
            latest[start["identity"]] = max(found, latest.get(start["identity"], found))
    return [path for _, _, path in sorted(latest.values(), key=lambda found: found[1:])]
