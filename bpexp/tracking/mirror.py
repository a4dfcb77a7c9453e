"""The mirror: journals into MLflow, idempotently.

A run in MLflow is found again by its tags `identity` and `attempt` before one is made; metric rows
are unique by key, step, timestamp and value, and the timestamps are the journal's: so mirroring
twice changes nothing. What the journal holds of a run goes over in a few calls: one to create it,
one a few hundred points, one to end it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from bpexp.config import flatten
from bpexp.record.export import LAYERS, SPECTRA, write_tables
from bpexp.record.files import replacing
from bpexp.record.journal import (
    RUNS,
    SWEEP,
    TRACEBACK,
    WEIGHTS,
    History,
    attempt_folder,
    in_use,
    read,
)
from bpexp.tracking import view
from bpexp.tracking.client import connect, initialising, runs_of

CONFIG = "config.yaml"
BATCH = 900  # points a call: with all else below MLflow's 1000, where its client sends tags first
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # where libyaml is there: a tenth the time
LONGEST_PARAM = 6000  # MLflow cuts longer values silently; the whole config is an artifact


class Mirror:
    """One tracking store and what it already holds of the studies seen so far."""

    def __init__(self, uri: str, root: Path) -> None:
        """Connect; a local SQLite store is created if need be.

        Args:
            uri: MLflow's tracking URI.
            root: the folder that holds runs/; artifacts of a local store go to its mlruns/.
        """
        self.uri, self._root = uri, root.resolve()
        self._client = connect(uri)
        self._experiments: dict[str, str] = {}
        self._known: dict[str, dict[tuple[str, str], Any]] = {}
        self._done: dict[Path, int] = {}
        self._said: dict[str, tuple[str, int | None]] = {}

    def link(self, study: str) -> str:
        """Return the address of the study's charts, below the UI's own address if it has one."""
        base = self.uri if self.uri.startswith("http") else "http://127.0.0.1:5000"
        view = "compareRunsMode=CHART&workflowType=machine_learning"
        return f"{base.rstrip('/')}/#/experiments/{self._experiment(study)}/runs?{view}"

    def run(self, folder: Path, sweep: str | None = None, model: bool = False) -> bool:
        """Mirror one run's journal as far as it goes.

        Args:
            folder: the run's folder.
            sweep: tag the run as a member of this sweep.
            model: add the trained network as a served model.

        Returns:
            Whether the run has ended and all of it is in the store.
        """
        history = read(folder)
        if not history.start:
            return False
        self._experiment(history.start["config"]["study"])  # which itself takes runs' locks
        with _alone(folder) as first:
            return self._run(folder, sweep, model, first)

    def _run(self, folder: Path, sweep: str | None, model: bool, first: bool) -> bool:
        history = read(folder)
        run = self._find_or_create(history, sweep, first)
        tags = run.data.tags
        if tags.get("mirrored") != str(history.lines):
            self._write(run, folder, history)
            tags["mirrored"] = str(history.lines)
        if model and "model" not in tags:
            self._log_model(run, folder)
            tags["model"] = "true"
        self._set_status(run, folder, history)
        return history.end is not None

    def _set_status(self, run: Any, folder: Path, history: History) -> None:
        """Say how a run ended and when, or that one without an end was stopped or goes on."""
        run_id, end = run.info.run_id, history.end
        status = history.status if end or in_use(folder) else "KILLED"
        moment = _milliseconds(end["time"]) if end else None
        said = self._said.get(run_id, (run.info.status, run.info.end_time))
        if said[0] == status and moment in (None, said[1]):
            return
        if status == "RUNNING":
            self._client.update_run(run_id, status)
        else:
            self._client.set_terminated(run_id, status, moment)
        self._said[run_id] = status, moment

    def sweep(self, folder: Path) -> None:
        """Mirror a sweep's own run: the figures, the summary, the command and the description."""
        sweep = json.loads((folder / SWEEP).read_text())
        experiment = self._experiment(sweep["study"])
        with _alone(folder):
            self._sweep(folder, sweep, experiment)

    def _sweep(self, folder: Path, sweep: dict[str, Any], experiment: str) -> None:
        found = self._client.search_runs(
            [experiment], f"tags.kind = 'sweep' and tags.sweep = '{sweep['id']}'", max_results=1
        )
        run = (found and found[0]) or self._client.create_run(
            experiment,
            start_time=_milliseconds(sweep["time"]),
            tags={"kind": "sweep", "sweep": sweep["id"]},
            run_name=f"sweep-{sweep['id'][:8]}",
        )
        run_id = run.info.run_id
        for key in ("command", "members"):
            value = sweep[key] if key == "command" else " ".join(m["name"] for m in sweep[key])
            self._client.set_tag(run_id, key, value[:5000])
        self._client.set_tag(run_id, "mlflow.note.content", sweep["description"])
        for path in sorted({*folder.glob("*.*")} - {*folder.glob("mirror.*")}):
            self._client.log_artifact(run_id, str(path))
        if (folder / "figures").is_dir():
            self._client.log_artifacts(run_id, str(folder / "figures"), "figures")
        self._client.set_terminated(run_id, "FINISHED", _milliseconds(sweep["ended"]))

    def _experiment(self, study: str) -> str:
        if study not in self._experiments:
            with initialising(self.uri):
                found = self._client.get_experiment_by_name(study)
                if found is None:
                    local = self.uri.startswith("sqlite")
                    location = (self._root / "mlruns" / study).as_uri() if local else None
                    self._experiments[study] = self._client.create_experiment(study, location)
                    self._known[study] = {}
                else:
                    self._experiments[study] = found.experiment_id
                    self._known[study] = self._runs_of(found.experiment_id)
                    self._mark_abandoned(study)
        return self._experiments[study]

    def _mark_abandoned(self, study: str) -> None:
        """Mark runs that stand as RUNNING, have no end, and that no process trains."""
        for (identity, attempt), run in self._known[study].items():
            folder = attempt_folder(self._root / RUNS / study, identity, int(attempt))
            if run.info.status != "RUNNING" or not folder.exists():
                continue
            with _alone(folder):  # another mirror may be about to end it
                history = read(folder)
                if history.end is None and not in_use(folder):
                    self._set_status(run, folder, history)

    def _runs_of(self, experiment: str, which: str = "") -> dict[tuple[str, str], Any]:
        return {
            (run.data.tags.get("identity", ""), run.data.tags.get("attempt", "1")): run
            for run in runs_of(self._client, experiment, which)
        }

    def _find_or_create(self, history: History, sweep: str | None, first: bool) -> Any:
        start = history.start
        study = start["config"]["study"]
        experiment = self._experiment(study)
        key = (start["identity"], str(start["attempt"]))
        known = self._known[study]
        if key not in known and not first:  # another process may have made it since we looked
            known |= self._runs_of(experiment, f" and tags.identity = '{key[0]}'")
        if key not in known:
            tags = {"kind": "run", "identity": key[0], "attempt": key[1]}
            if sweep:
                tags["sweep"] = sweep
            known[key] = self._client.create_run(
                experiment, _milliseconds(start["time"]), tags, run_name=start["name"]
            )
        elif sweep and known[key].data.tags.get("sweep") != sweep:
            self._client.set_tag(known[key].info.run_id, "sweep", sweep)
            known[key].data.tags["sweep"] = sweep
        return known[key]

    def _write(self, run: Any, folder: Path, history: History) -> None:
        """Write what is not there yet: parameters, observations, and how the run ended.

        The tag that says that all is there goes with the last points.
        """
        from mlflow.entities import Metric, Param, RunTag

        run_id, ended = run.info.run_id, history.end is not None
        moments = {} if folder in self._done else self._moments(run)
        fresh = history.observations[self._done.get(folder, 0) :]
        points = [
            Metric(name, value, moments.get(step, _milliseconds(line["time"])), step)
            for line in fresh
            for step in [line["step"]]
            for name, value in view.shown(line).items()
        ]
        # Where a copy is kept decides nothing, and its address may hold a password.
        flat = flatten({k: v for k, v in history.start["config"].items() if k != "tracking"})
        params = [Param(key, str(value)[:LONGEST_PARAM]) for key, value in flat.items()]
        tags = []
        if ended:
            self._write_files(run, folder, history)
            begun = run.info.start_time  # the one moment that no second mirroring can change
            points += [Metric(name, value, begun, 0) for name, value in view.bars(history).items()]
            tags = [RunTag(key, value) for key, value in view.tags(folder, history).items()]
        last = max(0, len(points) - 1) // BATCH * BATCH
        for i in range(0, last, BATCH):
            self._client.log_batch(run_id, points[i : i + BATCH])
        self._client.log_batch(run_id, points[last:], params, tags)
        self._done[folder] = len(history.observations)

    def _moments(self, run: Any) -> dict[int, int]:
        """Return when each step that the store holds was taken, as the store has it.

        A power cut may take lines from a journal that were mirrored before they were durable. The
        steps are then computed again, at another time, which would make them other points.
        """
        if not run.data.metrics:
            return {}
        points = self._client.get_metric_history(run.info.run_id, "epoch")  # a step's first point
        return {point.step: point.timestamp for point in points}

    def _write_files(self, run: Any, folder: Path, history: History) -> None:
        """Write the data set and the files of a run that has ended."""
        from mlflow.entities import Dataset, DatasetInput

        run_id, start = run.info.run_id, history.start
        if history.status == "FINISHED":
            if "error" in run.data.tags:  # of an earlier try
                self._client.delete_tag(run_id, "error")
            write_tables(history, folder)
        with replacing(folder / CONFIG) as file:
            file.write(yaml.dump(start["config"], Dumper=DUMPER, sort_keys=False).encode())
        data = Dataset(start["data"]["name"], start["digest"], "local", json.dumps(start["data"]))
        self._client.log_inputs(run_id, [DatasetInput(data)])
        for name in (CONFIG, LAYERS, SPECTRA, WEIGHTS, TRACEBACK):
            if (folder / name).exists():
                self._client.log_artifact(run_id, str(folder / name))

    def _log_model(self, run: Any, folder: Path) -> None:
        """Log the network as a model, unless a mirror that was killed had got so far."""
        # MLflow asks for type hints, which it takes for schemas, and no filter stops it.
        with warnings.catch_warnings(record=True):
            self._log_network(run, folder)

    def _log_network(self, run: Any, folder: Path) -> None:
        import mlflow

        from bpexp.tracking.model import log_model

        run_id = run.info.run_id
        logged = self._client.search_logged_models(
            [run.info.experiment_id], f"source_run_id = '{run_id}'"
        )
        for model in logged:
            if model.status != "READY":
                self._client.delete_logged_model(model.model_id)
        if not any(model.status == "READY" for model in logged):
            mlflow.set_tracking_uri(self.uri)
            self._said[run_id] = "RUNNING", None  # by MLflow, which ends it by its own clock
            with mlflow.start_run(run_id=run_id):
                log_model(folder / WEIGHTS)
        self._client.set_tag(run_id, "model", "true")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Let one process at a time mirror a run; yield whether none has before."""
    path = folder / "mirror.lock"
    first = not path.exists()
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield first


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
