"""The experiment of a study in MLflow: find or create it and its runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.config.identity import configuration
from bpexp.tracking.address import database
from bpexp.tracking.client import IS_RUN, search
from bpexp.tracking.failures import StoreError
from bpexp.tracking.locks import initialising
from bpexp.tracking.relocation import MLRUNS, refuse_misplaced

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment as StoredExperiment
    from mlflow.entities import Run

ALL = 3  # mlflow.entities.ViewType.ALL, active and deleted runs, without importing MLflow

Key = tuple[str, str]
"""A run's identity and attempt."""


class Experiment:
    """A study's experiment and its runs that are known.

    Attributes:
        id: MLflow's id of the experiment.
    """

    def __init__(self, client: MlflowClient, uri: str, study: str, root: Path) -> None:
        """Find the experiment or create it.

        Args:
            client: the client of the store.
            uri: the store's address.
            study: the experiment's name.
            root: the folder that holds runs/, absolute. The artifacts of a local store are in its
                mlruns/.

        Raises:
            StoreError: the experiment was deleted, or its artifacts are in the folder from which
                this one was copied or moved.
        """
        self._client = client
        with initialising(uri):
            found = client.get_experiment_by_name(study)
            if found is None:
                location = (root / MLRUNS / study).as_uri() if database(uri) else None
                found = _create(client, study, location)
        self.id: str = found.experiment_id
        self._tags: dict[str, str] = dict(found.tags)
        if found.lifecycle_stage != "active":
            raise StoreError(
                f"study: the experiment {study!r} is deleted in {uri}; "
                f"`mlflow experiments restore -x {self.id}` (with MLFLOW_TRACKING_URI set to it) "
                "restores it, and study=NAME begins another"
            )
        refuse_misplaced(uri, root, study, found.artifact_location)
        self._runs: dict[Key, Run] = self._search()

    def running(self) -> Iterator[tuple[str, int, Run]]:
        """Yield identity, attempt and run of each run whose status in the store is RUNNING."""
        for (identity, attempt), run in self._runs.items():
            if run.info.status == "RUNNING" and not is_deleted(run):
                yield identity, int(attempt), run

    def find_or_create(self, start: dict[str, Any], shown: dict[str, str], first: bool) -> Run:
        """Return the run of a journal and update its tags.

        If a user deleted the run in MLflow, the deleted run is returned, unless the journal was
        started anew since.

        Args:
            start: the journal's start line.
            shown: tags as `bpexp.tracking.view.place_tags` returns them.
            first: whether no process has mirrored this run before; the store is not searched then.
        """
        key = (start["identity"], str(start["attempt"]))
        if key not in self._runs and not first:  # another process may have created it meanwhile
            self._runs |= self._search(f"tags.identity = '{key[0]}'")
        known = self._runs.get(key)
        begun = milliseconds(start["time"])
        if known is None or (is_deleted(known) and known.info.start_time != begun):
            tags = {
                "kind": "run",
                "identity": key[0],
                "attempt": key[1],
                "algorithm": str(start["algorithm"]),
                "configuration": configuration(start["config"], start["digest"]),
            }
            self._runs[key] = self._client.create_run(
                self.id, begun, tags | shown, run_name=start["name"]
            )
        run = self._runs[key]
        changed = {k: v for k, v in shown.items() if run.data.tags.get(k) != v}
        if changed and not is_deleted(run):
            self.set_run_tags(run, changed)
        return run

    def set_run_tags(self, run: Run, tags: dict[str, str]) -> None:
        """Set tags of a run in one call."""
        from mlflow.entities import RunTag

        self._client.log_batch(run.info.run_id, tags=[RunTag(*tag) for tag in tags.items()])
        run.data.tags.update(tags)

    def set_tags(self, tags: dict[str, str]) -> None:
        """Set those tags of the experiment whose values differ."""
        for name, value in tags.items():
            if self._tags.get(name) != value:
                self._client.set_experiment_tag(self.id, name, value)
                self._tags[name] = value

    def find_sweep(self, sweep: str) -> Run | None:
        """Return a sweep's own run, or None. A deleted one is returned only if there is no other.

        Args:
            sweep: the sweep's id.
        """
        found = self._client.search_runs(
            [self.id], f"tags.kind = 'sweep' and tags.sweep = '{sweep}'", run_view_type=ALL
        )
        return min(found, key=is_deleted, default=None)

    def sweeps(self) -> dict[str, str]:
        """Return MLflow's id of each sweep's own run by the sweep's id."""
        found = self._client.search_runs([self.id], "tags.kind = 'sweep'")
        return {run.data.tags["sweep"]: run.info.run_id for run in found}

    def _search(self, *conditions: str) -> dict[Key, Run]:
        """Return runs by identity and attempt; a deleted one only if there is no active one."""
        found = sorted(
            search(self._client, self.id, IS_RUN, *conditions, run_view_type=ALL),
            key=is_deleted,
            reverse=True,
        )
        return {
            (run.data.tags.get("identity", ""), run.data.tags.get("attempt", "1")): run
            for run in found
        }


def _create(client: MlflowClient, study: str, location: str | None) -> StoredExperiment:
    """Create an experiment, unless another machine has created it since it was searched for."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_experiment(client.create_experiment(study, location))
    except MlflowException:
        found = client.get_experiment_by_name(study)
        if found is None:
            raise
        return found


def is_deleted(run: Run) -> bool:
    """Return whether a user deleted a run in MLflow."""
    return bool(run.info.lifecycle_stage == "deleted")


def milliseconds(seconds: float) -> int:
    """Convert seconds to MLflow's milliseconds."""
    return round(seconds * 1000)
