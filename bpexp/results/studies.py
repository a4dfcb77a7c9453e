"""Load the frames of a study, from its record or from a tracking store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bpexp.errors import BpexpError, one_of, out_of_range
from bpexp.nn import Network
from bpexp.probes import INSTRUMENTS
from bpexp.record.layout import RUNS, WEIGHTS
from bpexp.record.metrics import Part
from bpexp.record.run import Run
from bpexp.record.studies import Study
from bpexp.results.frames import joined, own, run_row, typed
from bpexp.results.tables import SPECTRUM, Tables
from bpexp.results.theory import known, theory_columns
from bpexp.tracking.reader import stored_layers, stored_rows


def load_tables(study: str | Study, *, root: str | Path = ".", superseded: bool = False) -> Tables:
    """Load all frames of a study, with theory, from which `bpexp.figures` draws.

    Args:
        study: the study's name, or what `bpexp.sweep` returned.
        root: the folder that holds runs/.
        superseded: include superseded runs, see `load_runs`.

    Raises:
        BpexpError: there is no such study.
    """
    return Tables.of(_runs(study, root, superseded))


def load_runs(
    study: str | Study, *, root: str | Path = ".", uri: str | None = None, superseded: bool = False
) -> pd.DataFrame:
    """Load a study's runs, a row for each run.

    Among runs with equal configuration, data set and seed only the newest is loaded: that of the
    highest algorithm number and, among these, the latest attempt. It supersedes the others.

    Runs are in the order of the sweeps that made them: sweep by sweep, from the one that began
    first, and in the order of the grid within each, in which the last key of the command changes
    fastest. From a tracking store they are in the order in which they started.

    Args:
        study: the study's name, or what `bpexp.sweep` returned.
        root: the folder that holds runs/.
        uri: read from this MLflow tracking store instead of from the record on disk.
        superseded: include superseded runs, which differ in `algorithm` or `attempt`.

    Returns:
        Columns run, name, algorithm (0 if unknown), attempt, the configuration, then
        status, verdict, verdict/gradient_start, verdict/gradient_end, verdict/training (see
        `bpexp.analysis.verdict`; NaN where the record has none), evidence, diverged_at (step or
        NaN), seconds (of all sessions that trained the run), epoch (epochs done), task, chance
        and chance/test (the task's primary metric, on the training and the test split, of the best
        constant guess on the training split), the metrics of
        `bpexp.record.metrics.final_names` (at the end of the run; float64, NaN where not defined or
        not finite), those of START as start/..., and folder.

    Raises:
        BpexpError: there is no such study.
    """
    if uri:
        return typed(pd.DataFrame(stored_rows(_name(study), uri, superseded)))
    return typed(pd.DataFrame([run_row(run) for run in _runs(study, root, superseded)]))


def load_layers(
    study: str | Study, *, root: str | Path = ".", uri: str | None = None, superseded: bool = False
) -> pd.DataFrame:
    """Load the layer measurements of a study: a row for each run, step and layer.

    Args:
        study: the study's name, or what `bpexp.sweep` returned.
        root: the folder that holds runs/.
        uri: read from this MLflow tracking store instead of from the record on disk.
        superseded: include superseded runs, see `load_runs`.

    Returns:
        The run's own columns, step (int64), epoch (float64), layer (int64, from 1), the instruments
        of one number a layer (see `bpexp.probes.INSTRUMENTS`; float64), and source ("measured").

    Raises:
        BpexpError: there is no such study.
    """
    if uri:
        return joined(stored_layers(_name(study), uri, superseded)).assign(source="measured")
    return joined(_parts(study, root, superseded, "layers")).assign(source="measured")


def load_theory(
    study: str | Study,
    *,
    root: str | Path = ".",
    superseded: bool = False,
    simulated: bool | None = None,
) -> pd.DataFrame:
    """Predict the layer measurements of a study at step 0, in the columns of `load_layers`.

    A prediction is an average over draws of the weights in the limit of large width; the average of
    a norm is its root mean square. A run is one draw of a network of finite width. The simulated
    columns are computed from such draws.

    Args:
        study: the study's name, or what `bpexp.sweep` returned.
        root: the folder that holds runs/.
        superseded: include superseded runs, see `load_runs`.
        simulated: whether to draw 200 networks of each architecture and initialization, which takes
            up to 2 s for each; None: only if all of them take a few seconds. The results are stored
            in the study's folder. A sweep computes them during training.

    Returns:
        A row for each run and layer, at step 0: the instruments that theory predicts (see
        `bpexp.theory.predict_batch`; the others are absent), source "theory". Of each instrument
        NAME there are also NAME_simulated, the root mean square over the simulated draws (the mean
        of q, correlation and moments), NAME_lower and NAME_upper, their 5 % and 95 % quantiles;
        NaN or absent where they were not drawn. Runs whose data set cannot be loaded are left out.

    Raises:
        BpexpError: there is no such study.
    """
    starts = [run.start for run in _runs(study, root, superseded)]
    folder = _study(study, root).folder
    columns = theory_columns([known(start) for start in starts], study=folder, draws=simulated)
    return joined(zip(map(own, starts), columns, strict=True)).assign(source="theory")


def load_curves(
    study: str | Study, *, root: str | Path = ".", superseded: bool = False
) -> pd.DataFrame:
    """Load the learning curves of a study: a row for each run and epoch, and for step 0.

    Args:
        study: the study's name, or what `bpexp.sweep` returned.
        root: the folder that holds runs/.
        superseded: include superseded runs, see `load_runs`.

    Returns:
        The run's own columns, step, epoch, and the metrics of `bpexp.record.metrics`.

    Raises:
        BpexpError: there is no such study.
    """
    return joined(_parts(study, root, superseded, "curves"))


def load_spectra(
    study: str | Study, *, root: str | Path = ".", superseded: bool = False
) -> pd.DataFrame:
    """Load the singular values of a study's Jacobians (`probe.jacobian`) at every probe.

    Args:
        study: the study's name, or what `bpexp.sweep` returned.
        root: the folder that holds runs/.
        superseded: include superseded runs, see `load_runs`.

    Returns:
        The run's own columns, step, epoch, example, rank (1 is the largest), singular_value.

    Raises:
        BpexpError: there is no such study.
    """
    return load_measurements(study, "jacobian_spectrum", root=root, superseded=superseded).rename(
        columns=SPECTRUM
    )


def load_measurements(
    study: str | Study, instrument: str, *, root: str | Path = ".", superseded: bool = False
) -> pd.DataFrame:
    """Load all values of an instrument from a study.

    Args:
        study: the study's name, or what `bpexp.sweep` returned.
        instrument: a name of `bpexp.probes.INSTRUMENTS`, or of an instrument of the program that
            made the study.
        root: the folder that holds runs/.
        superseded: include superseded runs, see `load_runs`.

    Returns:
        The run's own columns, step (int64), epoch (float64), a column for each of the instrument's
        dimensions (int64; layers and ranks from 1, all others from 0), and the values in a column
        of the instrument's name (float64). There are no rows if it was not measured.

    Raises:
        BpexpError: there is no such study or instrument.
    """
    runs = list(_runs(study, root, superseded))
    parts = [(own(run.start), run.measurements(instrument)) for run in runs]
    recorded = [name for run in runs for name in run.start.get("dimensions", ())]
    if instrument not in (names := {*INSTRUMENTS, *recorded}):
        raise BpexpError(one_of("instrument", instrument, names))
    return joined(parts)


def load_network(run: Mapping[str, Any] | pd.Series[Any] | str | Path) -> Network:
    """Load the trained network of a run.

    Args:
        run: a row of `load_runs`, or the path of the run's folder.

    Raises:
        BpexpError: the run is not finished, or its weights are damaged.
    """
    is_row = isinstance(run, Mapping | pd.Series) and "folder" in run
    if not (is_row or isinstance(run, str | Path)):
        raise BpexpError(out_of_range("run", run, "a row of load_runs or the path of a folder"))
    folder = Path(run) if isinstance(run, str | Path) else Path(str(run["folder"]))
    if not (folder / WEIGHTS).exists():
        raise BpexpError(f"{folder}: the run has no {WEIGHTS}; is it finished?")
    try:
        return Network.load(folder / WEIGHTS)
    except ValueError as error:
        raise BpexpError(str(error)) from None


def _name(study: str | Study) -> str:
    """Return the name of a study.

    Raises:
        BpexpError: it is neither a name nor a Study.
    """
    if isinstance(study, Study):
        return study.name
    if not isinstance(study, str):
        raise BpexpError(out_of_range("study", study, "a name or a bpexp.Study"))
    return study


def _parts(study: str | Study, root: str | Path, superseded: bool, table: str) -> Iterator[Part]:
    """Yield the identifying columns of each run of a study, and one of its tables."""
    for run in _runs(study, root, superseded):
        yield own(run.start), run.tables(table)[table]


def _study(study: str | Study, root: str | Path) -> Study:
    """Return a study.

    Raises:
        BpexpError: there is no study of this name.
    """
    if isinstance(study, Study):
        return study
    runs, name = Path(root) / RUNS, _name(study)
    there = sorted(path.name for path in runs.glob("*") if path.is_dir())
    if name not in there:
        raise BpexpError(f"study: no {runs / name}; there is {', '.join(there) or 'none'}")
    return Study(runs / name)


def _runs(study: str | Study, root: str | Path, superseded: bool) -> Iterator[Run]:
    """Yield the runs of a study, see `Study.loaded`.

    Raises:
        BpexpError: there is no such study.
    """
    return _study(study, root).loaded(superseded=superseded)
