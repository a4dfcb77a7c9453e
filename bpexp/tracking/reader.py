"""From a tracking server to the same rows as journals give."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from bpexp.errors import BpexpError
from bpexp.record.export import LAYERS
from bpexp.record.metrics import FINAL, NO_START, Part, flat_name
from bpexp.tracking.client import connect, runs_of


def _stored_runs(study: str, uri: str) -> list[tuple[Any, dict[str, Any]]]:
    """Return (MLflow run, the run's own columns) of the latest attempt of each run of a study."""
    client = connect(uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        raise BpexpError(f"study: {uri} has no experiment {study!r}")
    found = runs_of(client, experiment.experiment_id, order_by=["attributes.start_time"])
    latest: dict[str, Any] = {}
    for run in found:
        held = latest.get(run.data.tags["identity"])
        if held is None or _attempt(held) < _attempt(run):
            latest[run.data.tags["identity"]] = run
    return [(run, _own(run)) for run in latest.values()]


def _own(run: Any) -> dict[str, Any]:
    params = {key: _literal(value) for key, value in run.data.params.items()}
    return {"run": run.data.tags["identity"], "name": run.info.run_name, **params}


def _attempt(run: Any) -> int:
    return int(run.data.tags.get("attempt", 1))


def stored_rows(study: str, uri: str) -> Iterator[dict[str, Any]]:
    """Yield the rows that `frames.run_row` has."""
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
            **NO_START,
            **{name: value for name, value in metrics.items() if name.startswith("start/")},
            "folder": tags.get("folder"),
        }


def stored_layers(study: str, uri: str) -> Iterator[Part]:
    """Yield each run's own columns and its table of probes."""
    from mlflow import artifacts

    for run, own in _stored_runs(study, uri):
        if run.info.status != "FINISHED":  # its table is written at the end
            continue
        path = artifacts.download_artifacts(
            artifact_uri=f"{run.info.artifact_uri}/{LAYERS}", tracking_uri=uri
        )
        table = pd.read_parquet(path)
        yield own, {str(name): values.to_numpy() for name, values in table.items()}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
