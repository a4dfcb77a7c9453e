"""The experiment of a study in MLflow: find or create it and its runs."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.config.identity import configuration
from bpexp.record.history import status
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
    """A study's experiment, with a cache of its runs.

    Attributes:
        id: MLflow's id of the experiment.
        artifacts: the address below which artifacts of its runs lie.
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
        self.artifacts: str = found.artifact_location
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

    def find(self, start: dict[str, Any], alone: bool) -> Run | None:
        """Return the run of a journal; None if the store does not have it.

        If a user deleted the run in MLflow, the deleted run is returned, unless the journal was
        started again later.

        Args:
            start: the journal's start line.
            alone: whether no other process can have created the run, so that no search is needed.
        """
        key = _key(start)
        if key not in self._runs and not alone:
            self._runs |= self._search(f"tags.identity = '{key[0]}'")
        known = self._runs.get(key)
        if known and is_deleted(known) and known.info.start_time != milliseconds(start["time"]):
            return None
        return known

    def create(self, start: dict[str, Any], shown: dict[str, str]) -> Run:
        """Create the run of a journal in the store.

        Args:
            start: the journal's start line.
            shown: tags as `bpexp.tracking.view.place_tags` returns them.
        """
        begun, tags = milliseconds(start["time"]), _tags(start) | shown
        run = self._client.create_run(self.id, begun, tags, run_name=start["name"])
        self._runs[_key(start)] = run
        return run

    def draft(self, start: dict[str, Any], end: dict[str, Any], shown: dict[str, str]) -> Run:
        """Return the run of a journal that has ended, without writing it; call `add` after writing.

        Its id is computed from the journal's start line only. A mirror that is restarted after it
        was killed uses the same artifact folder, and the store refuses a second run of this id.
        """
        from mlflow.entities import Run, RunData, RunInfo, RunTag

        begun, tags = milliseconds(start["time"]), _tags(start) | shown
        unique = "\n".join((self.id, *_key(start), str(begun)))
        run_id = sha256(unique.encode()).hexdigest()[:32]
        info = RunInfo(
            run_id=run_id,
            experiment_id=self.id,
            user_id="unknown",  # the value that the client writes
            status=status(end),
            start_time=begun,
            end_time=milliseconds(end["time"]),
            lifecycle_stage="active",
            artifact_uri=f"{self.artifacts.rstrip('/')}/{run_id}/artifacts",
            run_name=start["name"],
        )
        return Run(info, RunData(tags=[RunTag(*tag) for tag in tags.items()]))

    def add(self, start: dict[str, Any], run: Run) -> None:
        """Add the run of a journal to the cache of runs that are in the store."""
        self._runs[_key(start)] = run

    def update_tags(self, run: Run, tags: dict[str, str]) -> None:
        """Set those tags of a run whose values differ, in one call; skip a deleted run."""
        from mlflow.entities import RunTag

        changed = {k: v for k, v in tags.items() if run.data.tags.get(k) != v}
        if changed and not is_deleted(run):
            self._client.log_batch(run.info.run_id, tags=[RunTag(*tag) for tag in changed.items()])
            run.data.tags.update(changed)

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


def _key(start: dict[str, Any]) -> Key:
    return start["identity"], str(start["attempt"])


def _tags(start: dict[str, Any]) -> dict[str, str]:
    """Return the tags by which a run is found again."""
    return {
        "kind": "run",
        "identity": start["identity"],
        "attempt": str(start["attempt"]),
        "algorithm": str(start["algorithm"]),
        "configuration": configuration(start["config"], start["digest"]),
    }


def is_deleted(run: Run) -> bool:
    """Return whether a user deleted a run in MLflow."""
    return bool(run.info.lifecycle_stage == "deleted")


def milliseconds(seconds: float) -> int:
    """Convert seconds to MLflow's milliseconds."""
    return round(seconds * 1000)
