"""Reading a study from a tracking store: the same rows as from journals."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bpexp.errors import BpexpError
from bpexp.record.metrics import NO_START, Part, final_names, flat_name
from bpexp.tracking.client import configured, connect, runs_of

if TYPE_CHECKING:
    from mlflow.entities import Run


def stored_rows(study: str, uri: str) -> list[dict[str, Any]]:
    """Return the rows that `bpexp.results.frames.run_row` returns.

    Raises:
        BpexpError: the store has no such study.
    """
    with configured():
        return [_row(run) for run in _stored_runs(study, uri)]


def stored_layers(study: str, uri: str) -> list[Part]:
    """Return the own columns of each finished run, and its table of probes.

    Raises:
        BpexpError: the store has no such study.
    """
    with configured():
        runs = [run for run in _stored_runs(study, uri) if run.info.status == "FINISHED"]
        return [(_own(run), _layers(run, uri)) for run in runs]


def _stored_runs(study: str, uri: str) -> Iterator[Run]:
    """Yield the latest attempt of each run of a study."""
    client = connect(uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        raise BpexpError(f"study: {uri} has no experiment {study!r}")
    found = runs_of(client, experiment.experiment_id, order_by=["attributes.start_time"])
    latest: dict[str, Run] = {}
    for run in found:
        held = latest.get(run.data.tags["identity"])
        if held is None or _attempt(held) < _attempt(run):
            latest[run.data.tags["identity"]] = run
    yield from latest.values()


def _attempt(run: Run) -> int:
    return int(run.data.tags.get("attempt", 1))


def _own(run: Run) -> dict[str, Any]:
    params = {key: _literal(value) for key, value in run.data.params.items()}
    return {"run": run.data.tags["identity"], "name": run.info.run_name, **params}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _row(run: Run) -> dict[str, Any]:
    tags, metrics = run.data.tags, run.data.metrics
    task = tags.get("task", "classification")
    return {
        **_own(run),
        "status": run.info.status,
        "verdict": tags.get("verdict"),
        "evidence": tags.get("evidence"),
        "diverged_at": tags.get("diverged_at"),
        "seconds": float(tags.get("seconds", "nan")),
        "epoch": metrics.get("epoch", 0.0),
        "task": task,
        "chance": float(tags.get("chance", "nan")),
        **{name: metrics.get(f"final/{flat_name(name)}", np.nan) for name in final_names(task)},
        **NO_START,
        **{name: value for name, value in metrics.items() if name.startswith("start/")},
        "folder": tags.get("folder"),
    }


def _layers(run: Run, uri: str) -> dict[str, Any]:
    from mlflow import artifacts

    path = artifacts.download_artifacts(
        artifact_uri=f"{run.info.artifact_uri}/layers.parquet", tracking_uri=uri
    )
    return {str(name): values.to_numpy() for name, values in pd.read_parquet(path).items()}
