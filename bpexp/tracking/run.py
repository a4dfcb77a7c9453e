"""Mirror one run: write the present contents of its journal and files into MLflow.

MLflow's metric rows are unique by key, step, timestamp and value. The timestamps are the journal's,
so writing a point twice changes nothing. A run is written in few calls: one to create it, one for
each 900 points, and one to end it. `bpexp.tracking.whole` writes ended runs into local stores.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bpexp.record.export import complete
from bpexp.record.history import Follower, History, count_lines, ends, status
from bpexp.record.journal import in_use
from bpexp.record.layout import CONFIG, REGISTERED, TRACEBACK, WEIGHTS, table_file
from bpexp.record.run import Run
from bpexp.tracking import view
from bpexp.tracking.drawing import LAYER_FIGURE, layer_figure
from bpexp.tracking.experiment import milliseconds
from bpexp.tracking.whole import insert

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, Metric
    from mlflow.entities import Run as StoredRun

# Points per call. If points, params and tags are more than 1000 together, MLflow's client sends the
# tags in a separate, earlier call.
BATCH = 900
CURVES = "curves"  # a table that is not uploaded: its columns are metrics


class RunMirror:
    """Writes one run's journal and files into a store."""

    def __init__(self, client: MlflowClient, folder: Path) -> None:
        """Prepare to read the journal from its first line.

        Args:
            client: the client of the store.
            folder: the run's folder.
        """
        self._client, self._folder = client, folder
        self._journal = Follower(folder)
        self._lines = 0
        self._written: tuple[str, int | None] | None = None  # status and time of its end

    @property
    def lines(self) -> int:
        """The number of the journal's lines that are in the store, after `write`."""
        return self._lines

    @property
    def end(self) -> dict[str, Any] | None:
        """The end line of the journal; None while it has none."""
        return self._journal.poll().end

    def write(self, stored: StoredRun, model: bool) -> bool:
        """Write the contents that the store does not have; return whether the run has ended.

        Args:
            stored: the run in MLflow.
            model: whether to add the trained network as a served model.
        """
        tags = stored.data.tags
        self._lines = count_lines(self._folder)
        if tags.get("mirrored") == str(self._lines):
            end = ends(self._folder)[1]
        else:
            history = self._journal.poll()
            self._lines = history.lines
            self._write_lines(stored, history)
            tags["mirrored"], end = str(history.lines), history.end
        if model and "model" not in tags:
            self._log_model(stored)
            tags["model"] = "true"
        self.write_status(stored, end)
        return end is not None

    def insert(self, database: Path, stored: StoredRun) -> None:
        """Write a run that has ended into a local store that does not have it.

        Its files are in place before its rows are written, in one transaction.

        Args:
            database: the file of the store.
            stored: the run as `Experiment.draft` returns it; it is completed.
        """
        history = self._journal.poll()
        run = Run(self._folder, history.start, history.end)
        stored.data.params.update(view.params(history.start))
        stored.data.tags.update(self._end_tags(run, stored, history.lines))
        points = self._points(stored, history, {}) + self._end_points(stored, run)
        self._upload(stored, run)
        insert(database, stored, points, _dataset(run))
        self._lines = history.lines
        self._written = stored.info.status, stored.info.end_time
        self._journal.drop()

    def write_status(self, stored: StoredRun, end: dict[str, Any] | None) -> None:
        """Write status and end time; a run without an end that no process trains is KILLED.

        Args:
            stored: the run in MLflow.
            end: the end line of its journal, or None.
        """
        run_id = stored.info.run_id
        current = status(end) if end or in_use(self._folder) else "KILLED"
        moment = milliseconds(end["time"]) if end else None
        before = self._written or (stored.info.status, stored.info.end_time)
        if before[0] == current and moment in (None, before[1]):
            return
        if current == "RUNNING":
            self._client.update_run(run_id, current)
        else:
            self._client.set_terminated(run_id, current, moment)
        self._written = current, moment

    def _write_lines(self, stored: StoredRun, history: History) -> None:
        """Write params, new observations and the end.

        The tag `mirrored`, the number of lines in the store, is written with the last points.
        """
        from mlflow.entities import DatasetInput, Param, RunTag

        run_id = stored.info.run_id
        points = self._points(
            stored, history, {} if self._journal.dropped else self._moments(stored)
        )
        params = [Param(*item) for item in view.params(history.start).items()]
        tags: list[RunTag] = []
        if history.end is not None:
            run = Run(self._folder, history.start, history.end)
            if run.finished and "error" in stored.data.tags:  # left by an earlier end that failed
                self._client.delete_tag(run_id, "error")
            self._client.log_inputs(run_id, [DatasetInput(_dataset(run))])
            self._upload(stored, run)
            points += self._end_points(stored, run)
            tags = [RunTag(*tag) for tag in self._end_tags(run, stored, history.lines).items()]
        last = max(0, len(points) - 1) // BATCH * BATCH
        for i in range(0, last, BATCH):
            self._client.log_batch(run_id, points[i : i + BATCH])
        self._client.log_batch(run_id, points[last:], params, tags)
        self._journal.drop()

    def _points(self, stored: StoredRun, history: History, moments: dict[int, int]) -> list[Metric]:
        """Return the points of observations.

        Args:
            stored: the run in MLflow.
            history: the journal, without the observations that were written before.
            moments: the timestamps of steps in the store; other steps have those of the journal.
        """
        from mlflow.entities import Metric

        return [
            Metric(name, value, moments.get(line["step"], milliseconds(line["time"])), line["step"])
            for line in history.observations
            for name, value in view.step_metrics(line).items()
        ]

    def _end_points(self, stored: StoredRun, run: Run) -> list[Metric]:
        """Return the points of a run's row."""
        from mlflow.entities import Metric

        begun = stored.info.start_time  # the same whenever the run is mirrored
        return [Metric(name, value, begun, 0) for name, value in view.run_metrics(run).items()]

    def _end_tags(self, run: Run, stored: StoredRun, lines: int) -> dict[str, str]:
        """Return the tags of an ended run; `lines` lines of its journal are in the store."""
        return view.run_tags(run, stored.info.run_id) | {"mirrored": str(lines)}

    def _moments(self, stored: StoredRun) -> dict[int, int]:
        """Return the timestamp of each step in the store.

        A power cut may remove lines from a journal that were mirrored already. Their steps are
        computed again later, and with other timestamps MLflow would store them as further points.
        """
        if not stored.data.metrics:
            return {}
        points = self._client.get_metric_history(stored.info.run_id, "epoch")  # of every step
        return {point.step: point.timestamp for point in points}

    def _upload(self, stored: StoredRun, run: Run) -> None:
        """Upload the files of a run that has ended."""
        # The client's log_artifacts reads the run from the store first.
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        there = get_artifact_repository(stored.info.artifact_uri, self._client.tracking_uri)
        complete(self._folder)
        tables = sorted({*self._folder.glob("*.parquet")} - {table_file(self._folder, CURVES)})
        files = [*(self._folder / name for name in (CONFIG, WEIGHTS, TRACEBACK)), *tables]
        with TemporaryDirectory() as staged:  # so that one call uploads all files
            for path in files:
                if path.exists():
                    (Path(staged) / path.name).symlink_to(path.absolute())
            if run.finished:
                (Path(staged) / LAYER_FIGURE).write_text(layer_figure(run))
            there.log_artifacts(staged)  # type: ignore[no-untyped-call]

    def _log_model(self, stored: StoredRun) -> None:
        # MLflow warns that `predict` has no type hints, and no warning filter prevents it.
        with warnings.catch_warnings(record=True):
            self._log_network(stored)
        self._client.set_tag(stored.info.run_id, "model", "true")

    def _log_network(self, stored: StoredRun) -> None:
        """Add the network as a model, unless an earlier mirror process did."""
        import mlflow

        from bpexp.tracking.model import log_model

        run_id = stored.info.run_id
        logged = self._client.search_logged_models(
            [stored.info.experiment_id], f"source_run_id = '{run_id}'"
        )
        for model in logged:
            if model.status != "READY":  # the mirror that created it was killed
                self._client.delete_logged_model(model.model_id)
        if not any(model.status == "READY" for model in logged):
            mlflow.set_tracking_uri(self._client.tracking_uri)
            self._written = "RUNNING", None  # start_run sets it, and at its exit a wrong end time
            run = Run(self._folder, *ends(self._folder))
            # MLflow attaches the points of one step to the model and refuses to attach a point
            # twice. `_log_results` attaches those of step 0.
            step = max(1, int(max(run.tables("curves")["curves"]["step"])))
            with mlflow.start_run(run_id=run_id):
                note = view.description(run, run_id)
                sources = sorted((self._folder / REGISTERED).glob("*.py"))
                model_id = log_model(run, step, note, sources)
            self._log_results(stored, run, model_id)

    def _log_results(self, stored: StoredRun, run: Run, model_id: str) -> None:
        """Attach the final metrics to a model, with the data set that they were measured on."""
        from mlflow.entities import Metric

        about = {
            "model_id": model_id,
            "dataset_name": run.start["data"]["name"],
            "dataset_digest": run.start["digest"],
            "run_id": stored.info.run_id,
        }
        begun = stored.info.start_time
        points = [Metric(*item, begun, 0, **about) for item in view.run_metrics(run).items()]
        self._client.log_batch(stored.info.run_id, points)


def _dataset(run: Run) -> Dataset:
    """Return the data set of a run as MLflow's entity."""
    from mlflow.entities import Dataset

    data = run.start["data"]
    return Dataset(data["name"], run.start["digest"], "local", json.dumps(data))
