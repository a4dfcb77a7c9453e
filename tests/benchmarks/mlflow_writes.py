"""What MLflow itself takes to write a finished sweep: prints the seconds, imports not counted.

    python mlflow_writes.py RUNS_FOLDER STORE_FOLDER

Reads the journals first, then writes the runs one after another into a fresh SQLite store with the
fewest calls that hold the same params, metrics, tags and artifacts.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from bpexp.config import flatten
from bpexp.record.history import read
from bpexp.record.metrics import finite, layer_metrics, summary_metrics

ARTIFACTS = ("config.yaml", "layers.parquet", "weights.npz")


def main(runs: Path, store: Path) -> None:
    histories = [(path.parent, read(path.parent)) for path in sorted(runs.glob("*/journal.jsonl"))]
    written = []
    for folder, history in histories:
        points = [
            Metric(name, value, round(line["time"] * 1000), line["step"])
            for line in history.observations
            for name, value in finite(summary_metrics(line) | layer_metrics(line)).items()
        ]
        config = flatten(history.start["config"])
        params = [Param(key, str(value)) for key, value in config.items()]
        tags = [RunTag(key, str(history.end[key])) for key in ("verdict", "evidence", "seconds")]
        written.append((folder, params, points, tags))
    start = time.perf_counter()
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    experiment = client.create_experiment("writes", artifact_location=str(store / "mlruns"))
    for folder, params, points, tags in written:
        run = client.create_run(experiment).info.run_id
        client.log_batch(run, params=params, tags=tags)
        for i in range(0, len(points), 1000):
            client.log_batch(run, points[i : i + 1000])
        for name in ARTIFACTS:
            client.log_artifact(run, str(folder / name))
        client.set_terminated(run)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).resolve())
