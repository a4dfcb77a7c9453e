"""The experiment of a study in MLflow: found or created, and its runs found or created."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.config.identity import configuration
from bpexp.errors import BpexpError
from bpexp.tracking.client import runs_of
from bpexp.tracking.locks import initialising

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

Key = tuple[str, str]
"""A run's identity and attempt."""


class Experiment:
    """A study's experiment and the runs of it that are known.

    Attributes:
        id: MLflow's id of the experiment.
    """

    def __init__(self, client: MlflowClient, uri: str, study: str, artifacts: Path) -> None:
        """Find the experiment or create it.

        Args:
            client: of the store.
            uri: the store's address.
            study: the experiment's name.
            artifacts: the folder of its artifacts, if the store is local and it is created.

        Raises:
            BpexpError: the experiment was deleted.
        """
        self._client = client
        with initialising(uri):
            found = client.get_experiment_by_name(study)
            if found is not None and found.lifecycle_stage != "active":
                raise BpexpError(
                    f"study: the experiment {study!r} is deleted in {uri}; restore it with "
                    f"`mlflow experiments restore -x {found.experiment_id}`"
                )
            if found is None:
                location = artifacts.as_uri() if uri.startswith("sqlite") else None
                self.id: str = client.create_experiment(study, location)
                self._runs: dict[Key, Run] = {}
            else:
                self.id = found.experiment_id
                self._runs = self._search()

    def running(self) -> Iterator[tuple[str, int, Run]]:
        """Yield identity, attempt and run of those that the store says are running."""
        for (identity, attempt), run in self._runs.items():
            if run.info.status == "RUNNING":
                yield identity, int(attempt), run

    def find_or_create(self, start: dict[str, Any], sweep: str | None, first: bool) -> Run:
        """Return the run of a journal, tagged as a member of a sweep.

        Args:
            start: the journal's start line.
            sweep: the tag `sweep`; None leaves the tag as it is.
            first: no process has mirrored this run before, so that the store need not be asked.
        """
        key = (start["identity"], str(start["attempt"]))
        if key not in self._runs and not first:  # another process may have created it meanwhile
            self._runs |= self._search(f" and tags.identity = '{key[0]}'")
        if key not in self._runs:
            tags = {
                "kind": "run",
                "identity": key[0],
                "attempt": key[1],
                "algorithm": str(start["algorithm"]),
                "configuration": configuration(start["config"], start["digest"]),
            }
            if sweep:
                tags["sweep"] = sweep
            self._runs[key] = self._client.create_run(
                self.id, milliseconds(start["time"]), tags, run_name=start["name"]
            )
        run = self._runs[key]
        if sweep and run.data.tags.get("sweep") != sweep:
            self._client.set_tag(run.info.run_id, "sweep", sweep)
            run.data.tags["sweep"] = sweep
        return run

    def _search(self, condition: str = "") -> dict[Key, Run]:
        return {
            (run.data.tags.get("identity", ""), run.data.tags.get("attempt", "1")): run
            for run in runs_of(self._client, self.id, condition)
        }


def milliseconds(seconds: float) -> int:
    """Return a time as MLflow counts it."""
    return round(seconds * 1000)
