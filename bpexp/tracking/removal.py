"""Deleting runs from a tracking store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bpexp.record.run import Run
from bpexp.tracking.address import database
from bpexp.tracking.client import (
    TRACKING_URI,
    configured,
    connect,
    default_uri,
    require_store,
    search,
)
from bpexp.tracking.relocation import MLRUNS, refuse_misplaced

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

IDS = 1000  # run ids in one argument of a command; Linux limits an argument to 128 KiB


def delete(study: str, runs: Collection[Run] | None, uri: str | None, root: Path) -> int:
    """Delete a study's runs from a tracking store and return their number.

    From a local SQLite store they are removed with their files (`mlflow gc`). A server keeps
    deleted runs until its administrator runs that command.

    Args:
        study: the experiment's name.
        runs: the runs to delete; None: all runs, the sweeps' own runs, and the experiment if it
            holds nothing else.
        uri: the store's address; None for the default store.
        root: the folder that holds runs/.

    Raises:
        StoreError: the study's artifacts lie in the folder from which this one was copied or moved.
        MlflowException: the store does not answer or refuses the request.
        CalledProcessError: `mlflow gc` failed.
    """
    uri = require_store("uri", uri) if uri else default_uri(root)
    local = database(uri)
    if local is not None and not local.exists():
        return 0
    with configured():
        client = connect(uri)
        experiment = client.get_experiment_by_name(study)
        if experiment is None:
            return 0
        refuse_misplaced(uri, root.resolve(), study, experiment.artifact_location)
        stored = list(search(client, experiment.experiment_id))
        ours = [run for run in stored if _is_ours(run, runs)]
        models = _models(client, experiment.experiment_id, {run.info.run_id for run in ours})
        for model in models:
            client.delete_logged_model(model)
        for run in ours:
            client.delete_run(run.info.run_id)
        if local is not None:
            _collect(uri, "--run-ids", [run.info.run_id for run in ours])  # and their models
            if runs is None and len(ours) == len(stored):
                client.delete_experiment(experiment.experiment_id)
                _collect(uri, "--experiment-ids", [experiment.experiment_id])
            _remove_empty(root / MLRUNS / study)
    return sum(run.data.tags["kind"] == "run" for run in ours)


def _is_ours(stored: StoredRun, runs: Collection[Run] | None) -> bool:
    """Return whether a stored run is one of `runs`; if None, whether bpexp wrote it."""
    tags = stored.data.tags
    if runs is None:
        return tags.get("kind") in ("run", "sweep")
    keys = {(run.identity, str(run.start["attempt"])) for run in runs}
    return (tags.get("identity"), tags.get("attempt")) in keys


def _models(client: MlflowClient, experiment: str, runs: Collection[str]) -> list[str]:
    """Return the ids of the models that the given runs logged."""
    found = client.search_logged_models([experiment])
    return [model.model_id for model in found if model.source_run_id in runs]


def _collect(uri: str, option: str, ids: Sequence[str]) -> None:
    """Remove deleted runs or experiments with their files, by MLflow's command: no API does it."""
    for i in range(0, len(ids), IDS):
        subprocess.run(
            [sys.executable, "-m", "mlflow", "gc", option, ",".join(ids[i : i + IDS])],
            env=os.environ | {TRACKING_URI: uri, "MLFLOW_BACKEND_STORE_URI": uri},
            capture_output=True,
            check=True,
        )


def _remove_empty(folder: Path) -> None:
    """Remove the empty folders that remain after `mlflow gc`."""
    for path in sorted(folder.rglob("*"), reverse=True):  # contents before their folder
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
