"""The mirror: it copies journals into MLflow, and repeating it changes nothing.

Before a run is created in MLflow, it is searched for by its tags `identity` and `attempt`; a
sweep's own run by its tag `sweep`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.record.history import ends, first
from bpexp.record.journal import in_use
from bpexp.record.layout import RUNS, SWEEP, attempt_folder
from bpexp.record.order import Place, places
from bpexp.record.run import Run
from bpexp.record.studies import Study
from bpexp.secrets import without_secrets
from bpexp.tracking import whole
from bpexp.tracking.address import Pages, database, local_folder, pages
from bpexp.tracking.client import connect
from bpexp.tracking.experiment import Experiment, is_deleted, milliseconds
from bpexp.tracking.locks import mirroring, note_mirrored
from bpexp.tracking.run import RunMirror
from bpexp.tracking.shared_view import KEY, TAG
from bpexp.tracking.study import experiment_tags
from bpexp.tracking.sweep import COUNTS, sweep_description, sweep_metrics, sweep_params
from bpexp.tracking.view import NOTE, place_tags

if TYPE_CHECKING:
    from mlflow.entities import Run as StoredRun

LONGEST_TAG = 5000  # characters


class Mirror:
    """Writes runs, sweeps and studies into a tracking store.

    Attributes:
        uri: the store's address.
        left_deleted: MLflow's ids of the runs that a user deleted there and that stay deleted.
    """

    def __init__(self, uri: str, root: Path, *, restore: bool = False) -> None:
        """Connect to the store; a local SQLite store is created if it does not exist.

        Args:
            uri: MLflow's tracking URI.
            root: the folder that holds runs/; artifacts of a local store go to its mlruns/.
            restore: restore the runs that a user deleted in MLflow; otherwise they stay deleted.
        """
        self._restore = restore
        self.left_deleted: set[str] = set()
        self.uri, self._root = uri, root.resolve()
        self._client = connect(uri)
        local = database(uri)
        self._database = local if local and whole.is_known(local) else None
        self._experiments: dict[str, Experiment] = {}
        self._runs: dict[Path, RunMirror] = {}
        self._places: dict[Path, dict[str, Place]] = {}

    def study(self, folder: Path) -> Pages:
        """Write the tags of a study's experiment and return how to open its pages.

        Args:
            folder: the study's folder.
        """
        study = Study(folder)
        name = study.runs[0].start["config"]["study"] if study.runs else study.name
        experiment = self._experiment(name)
        tags = experiment_tags(study, self.uri, experiment.id, experiment.sweeps())
        experiment.set_tags(tags)
        return pages(self.uri, experiment.id, KEY if TAG in tags else None)

    def ended(self, folder: Path) -> bool:
        """Return whether a run's journal has an end line."""
        if folder in self._runs:  # its journal is read from where the last read ended
            return self._runs[folder].end is not None
        return ends(folder)[1] is not None

    def run(self, folder: Path, model: bool = False) -> bool:
        """Mirror the lines that a run's journal has so far.

        Args:
            folder: the run's folder.
            model: whether to add the trained network as a served model.

        Returns:
            Whether nothing is left to mirror: the run has ended and all of it is in the store, or
            it is deleted there.
        """
        start = first(folder)
        if not start:
            return False
        # Before the lock of this run, because opening an experiment may lock runs.
        experiment = self._experiment(start["config"]["study"])
        shown = place_tags(start, self._place(folder))
        with mirroring(folder) as new:
            run = self._runs.setdefault(folder, RunMirror(self._client, folder))
            # Another user of a server may have mirrored the same run from another folder.
            alone = new and self._database is not None
            stored = experiment.find(start, alone) or self._create(experiment, start, shown, run)
            experiment.update_tags(stored, shown)
            if self._stays_deleted(stored):
                return True
            ended = run.write(stored, model)
            note_mirrored(folder, run.lines, self.uri)
            return ended

    def _create(
        self, experiment: Experiment, start: dict[str, Any], shown: dict[str, str], run: RunMirror
    ) -> StoredRun:
        """Create a run in the store; into a local store write an ended run in one transaction."""
        if not (self._database and local_folder(experiment.artifacts) and run.end):
            return experiment.create(start, shown)
        stored = experiment.draft(start, run.end, shown)
        run.insert(self._database, stored)
        experiment.add(start, stored)
        return stored

    def _place(self, folder: Path) -> Place:
        """Return a run's place in the sweeps of its study, which are read once."""
        study = folder.parent
        if study not in self._places:
            self._places[study] = places(Study(study).sweeps)
        return self._places[study].get(folder.name, Place())

    def sweep(self, folder: Path) -> None:
        """Mirror a sweep's own run: its swept values, outcome, files and description."""
        sweep = json.loads((folder / SWEEP).read_text())
        experiment = self._experiment(sweep["study"])
        with mirroring(folder):
            self._write_sweep(folder, sweep, experiment)

    def _stays_deleted(self, stored: StoredRun) -> bool:
        """Return whether a run is deleted in MLflow, after restoring it if that was requested."""
        if not is_deleted(stored):
            return False
        if self._restore:
            self._client.restore_run(stored.info.run_id)
            return False
        self.left_deleted.add(stored.info.run_id)
        return True

    def _write_sweep(self, folder: Path, sweep: dict[str, Any], experiment: Experiment) -> None:
        from mlflow.entities import Metric, Param, RunTag

        run = experiment.find_sweep(sweep["id"])
        if run is not None and is_deleted(run) and _begun_since(folder, sweep, run):
            run = None
        if run is not None and self._stays_deleted(run):
            return
        run = run or self._client.create_run(
            experiment.id,
            start_time=milliseconds(sweep["time"]),
            tags={"kind": "sweep", "sweep": sweep["id"]},
            run_name=f"sweep-{sweep['id'][:8]}",
        )
        run_id, ended = run.info.run_id, milliseconds(sweep["ended"])
        members = [Run.at(folder.parents[1] / member["folder"]) for member in sweep["members"]]
        runs = [member for member in members if member is not None]
        tags = {
            "command": without_secrets(sweep["command"])[:LONGEST_TAG],
            "members": " ".join(member["name"] for member in sweep["members"])[:LONGEST_TAG],
            NOTE: sweep_description(sweep, runs, folder, run_id),
        }
        # MLflow cannot delete a metric, so a count that applies to no run any more is set to 0.
        counted = {name: 0.0 for name in run.data.metrics if name.startswith(COUNTS)}
        self._client.log_batch(
            run_id,
            [
                Metric(name, value, ended, 0)
                for name, value in {**counted, **sweep_metrics(sweep, runs)}.items()
                if run.data.metrics.get(name) != value  # equal if the command is repeated
            ],
            # MLflow cannot change a param. A sweep repeated with its values in another order has
            # the same id, and keeps the params of the first time.
            [Param(*p) for p in sweep_params(sweep).items() if p[0] not in run.data.params],
            [RunTag(*tag) for tag in tags.items()],
        )
        for path in sorted({*folder.glob("*.*")} - {*folder.glob("mirror.*")}):
            self._client.log_artifact(run_id, str(path))
        if (folder / "figures").is_dir():
            self._client.log_artifacts(run_id, str(folder / "figures"), "figures")
        self._client.set_terminated(run_id, "FINISHED", ended)

    def _experiment(self, study: str) -> Experiment:
        if study not in self._experiments:
            experiment = Experiment(self._client, self.uri, study, self._root)
            self._experiments[study] = experiment
            self._mark_abandoned(study, experiment)
        return self._experiments[study]

    def _mark_abandoned(self, study: str, experiment: Experiment) -> None:
        """Set the status of runs that the store lists as RUNNING and that no process trains."""
        for identity, attempt, stored in experiment.running():
            folder = attempt_folder(self._root / RUNS / study, identity, attempt)
            if not folder.exists():
                continue
            with mirroring(folder):  # another mirror may be writing its end
                end = ends(folder)[1]
                if end is None and not in_use(folder):
                    RunMirror(self._client, folder).write_status(stored, end)


def _begun_since(folder: Path, sweep: dict[str, Any], stored: StoredRun) -> bool:
    """Return whether a member of a sweep was started after the sweep's own run had ended."""
    members = [first(folder.parents[1] / member["folder"]) for member in sweep["members"]]
    latest = max((milliseconds(start["time"]) for start in members if start), default=0)
    return latest > (stored.info.end_time or 0)
