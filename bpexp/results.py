"""Result tables: tidy pandas frames of a study, from its journals or from a tracking server.

Every frame starts with the run's own columns: `run` (its identity), `name`, `study`, and the
configuration under its override keys (`activation`, `activation.negative_slope`, `depth`, ...).
`activation`, `init`, `cost`, `optimizer`, `data`, `dtype` and `verdict` are categories in the order
of their tables, so that seaborn's order is right. Metrics bear the names of `bpexp.tables`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bpexp.config import flatten
from bpexp.data import DATASETS
from bpexp.diagnosis import VERDICTS
from bpexp.errors import BpexpError
from bpexp.journal import FILE, RUNS, WEIGHTS, History, read
from bpexp.nn import ACTIVATIONS, COSTS, INITIALIZERS, OPTIMIZERS, Network
from bpexp.tables import (
    FINAL,
    LAYERS,
    curve_rows,
    final_metrics,
    flat_name,
    layer_columns,
    start_metrics,
)

ORDERED: dict[str, list[str]] = {
    "data": list(DATASETS),
    "activation": list(ACTIVATIONS),
    "init": list(INITIALIZERS),
    "cost": list(COSTS),
    "optimizer": list(OPTIMIZERS),
    "dtype": ["float32", "float64"],
    "status": ["RUNNING", "FINISHED", "FAILED", "KILLED"],
    "verdict": list(VERDICTS),
}


Run = tuple[Path, History]


@dataclass(frozen=True)
class Tables:
    """The three frames that figures are drawn from."""

    runs: pd.DataFrame
    layers: pd.DataFrame
    curves: pd.DataFrame

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Tables:
        """Read the journals of these runs; runs that never began are left out."""
        runs = [(folder, read(folder)) for folder in folders]
        runs = [(folder, history) for folder, history in runs if history.start]
        return cls(_run_frame(runs), _layer_frame(runs), _curve_frame(runs))


def load_runs(study: str, *, root: str | Path = ".", uri: str | None = None) -> pd.DataFrame:
    """Load a study's runs, a row a run, the latest attempt of each.

    Args:
        study: the study's name.
        root: the folder that holds runs/.
        uri: read from this MLflow tracking store instead of from journals.

    Returns:
        Columns run, name, the configuration, then status, verdict, evidence, diverged_at (step or
        NaN), seconds, epoch (epochs done), chance (accuracy of the best constant guess), the
        metrics of `bpexp.tables.FINAL` (the last finite value each; float64, NaN where there is
        none), those of START as start/..., and folder.

    Raises:
        BpexpError: there is no such study.
    """
    return (
        _typed(pd.DataFrame(list(_stored_rows(study, uri))))
        if uri
        else _run_frame(_study(study, root))
    )


def load_layers(study: str, *, root: str | Path = ".", uri: str | None = None) -> pd.DataFrame:
    """Load every probe of a study: a row a run, step and layer.

    Returns:
        The run's own columns, step (int64), epoch (float64), layer (int64, from 1), the probes of
        `bpexp.probes.PROBES` (float64) and source ("measured").

    Raises:
        BpexpError: there is no such study.
    """
    if uri:
        return _joined(_stored_layers(study, uri)).assign(source="measured")
    return _layer_frame(_study(study, root))


def load_curves(study: str, *, root: str | Path = ".") -> pd.DataFrame:
    """Load the learning curves of a study: a row a run and epoch, step 0 included.

    Returns:
        The run's own columns, step, epoch, and the metrics of `bpexp.tables`.

    Raises:
        BpexpError: there is no such study.
    """
    return _curve_frame(_study(study, root))


def load_network(run: Mapping[str, Any] | pd.Series[Any] | str | Path) -> Network:
    """Load the trained network of a run: a row of `load_runs`, or the run's folder.

    Raises:
        BpexpError: the run is not finished.
    """
    folder = Path(run) if isinstance(run, str | Path) else Path(str(run["folder"]))
    if not (folder / WEIGHTS).exists():
        raise BpexpError(f"{folder}: the run has no {WEIGHTS}; is it finished?")
    return Network.load(folder / WEIGHTS)


def _run_frame(runs: Iterable[Run]) -> pd.DataFrame:
    return _typed(pd.DataFrame([_run_row(folder, history) for folder, history in runs]))


def _layer_frame(runs: Iterable[Run]) -> pd.DataFrame:
    parts = ((_own(history), pd.DataFrame(layer_columns(history))) for _, history in runs)
    return _joined(parts).assign(source="measured")


def _curve_frame(runs: Iterable[Run]) -> pd.DataFrame:
    return _joined((_own(history), pd.DataFrame(curve_rows(history))) for _, history in runs)


def _run_row(folder: Path, history: History) -> dict[str, Any]:
    end = history.end or {}
    last = history.observations[-1] if history.observations else {"epoch": 0.0}
    return {
        **_own(history),
        "status": history.status,
        "verdict": end.get("verdict"),
        "evidence": end.get("evidence"),
        "diverged_at": end.get("diverged_at"),
        "seconds": end.get("seconds", np.nan),
        "epoch": last["epoch"],
        "chance": history.start["chance"],
        **dict.fromkeys(FINAL, np.nan),
        **final_metrics(history),
        **{f"start/{flat_name(name)}": value for name, value in start_metrics(history).items()},
        "folder": str(folder),
    }


def _own(history: History) -> dict[str, Any]:
    config = flatten(history.start["config"])
    return {"run": history.start["identity"], "name": history.start["name"], **config}


def _study(study: str, root: str | Path) -> list[Run]:
    """Read each run's latest attempt, in the order in which they began."""
    folder = Path(root) / RUNS / study
    if not folder.is_dir():
        known = sorted(path.name for path in folder.parent.glob("*") if path.is_dir())
        raise BpexpError(f"study: no {folder}; there is {', '.join(known) or 'none'}")
    latest: dict[str, Run] = {}
    for journal in folder.glob(f"*/{FILE}"):
        history = read(journal.parent)
        if not history.start:
            continue
        identity = history.start["identity"]
        held = latest.get(identity)
        if held is None or held[1].start["attempt"] < history.start["attempt"]:
            latest[identity] = (journal.parent, history)
    return sorted(latest.values(), key=lambda run: (run[1].start["time"], str(run[0])))


def _joined(frames: Iterable[tuple[dict[str, Any], pd.DataFrame]]) -> pd.DataFrame:
    """Put each run's own columns before its rows, and all runs below each other."""
    owns, parts = [], []
    for own, part in frames:
        owns.append(own)
        parts.append(part.assign(_run=len(owns) - 1))
    rows = pd.concat(parts, ignore_index=True)
    own_columns = _typed(pd.DataFrame(owns)).iloc[rows.pop("_run")].reset_index(drop=True)
    return pd.concat([own_columns, rows], axis=1)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    categories = {
        name: pd.CategoricalDtype([*order], ordered=True)
        for name, order in ORDERED.items()
        if name in frame
    }
    if "diverged_at" in frame:
        frame["diverged_at"] = frame["diverged_at"].astype(float)
    return frame.astype(categories)


def _stored_runs(study: str, uri: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield (MLflow run, the run's own columns) of a study in a tracking store."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        raise BpexpError(f"study: {uri} has no experiment {study!r}")
    token: str | None = ""
    while token is not None:
        page = client.search_runs(
            [experiment.experiment_id],
            "tags.kind = 'run'",
            max_results=1000,
            order_by=["attributes.start_time"],
            page_token=token or None,
        )
        for run in page:
            params = {key: _literal(value) for key, value in run.data.params.items()}
            own = {"run": run.data.tags["identity"], "name": run.info.run_name, **params}
            yield run, own
        token = page.token or None


def _stored_rows(study: str, uri: str) -> Iterator[dict[str, Any]]:
    for run, own in _stored_runs(study, uri):
        tags, metrics = run.data.tags, run.data.metrics
        finals = {name: metrics.get(f"final/{flat_name(name)}", np.nan) for name in FINAL}
        yield {
            **own,
            "status": run.info.status,
            "verdict": tags.get("verdict"),
            "evidence": tags.get("evidence"),
            "diverged_at": tags.get("diverged_at"),
            "seconds": float(tags.get("seconds", "nan")),
            "epoch": metrics.get("epoch", 0.0),
            "chance": float(tags.get("chance", "nan")),
            **finals,
            **{name: value for name, value in metrics.items() if name.startswith("start/")},
            "folder": tags.get("folder"),
        }


def _stored_layers(study: str, uri: str) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    from mlflow import artifacts

    for run, own in _stored_runs(study, uri):
        path = artifacts.download_artifacts(
            artifact_uri=f"{run.info.artifact_uri}/{LAYERS}", tracking_uri=uri
        )
        yield own, pd.read_parquet(path)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
