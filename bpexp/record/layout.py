"""Names of the files and folders below `runs/`.

runs/<study>/<identity>/          a run; <identity>-2, -3, ... are further attempts
    journal.jsonl                 the record of the run, see `bpexp.record.journal`
    config.yaml                   the resolved configuration
    checkpoint.npz                the state of an unfinished run
    weights.npz                   the trained network of a finished run
    curves.parquet, ...           the tables of a finished run, see `bpexp.record.export`
    traceback.txt                 the exception of a failed run
    registered/                   the files of a script's own functions, see `bpexp.register`
runs/<study>/sweeps/<sweep>/      a sweep: sweep.json, summary.csv, figures/, report.html
runs/<study>/simulated/           measurements of random networks, see `bpexp.record.simulated`
runs/<study>/finished.txt         finished runs, see `bpexp.record.finished`
runs/<study>/figures/, report.html   figures and report of all runs, see `bpexp.report`
"""

from __future__ import annotations

from pathlib import Path

RUNS, SWEEPS = "runs", "sweeps"
SIMULATED, PREDICTED = "simulated", "predicted"  # folders of a study
JOURNAL = "journal.jsonl"
CONFIG = "config.yaml"
CHECKPOINT = "checkpoint.npz"
WEIGHTS = "weights.npz"
TRACEBACK = "traceback.txt"
REGISTERED = "registered"
SWEEP = "sweep.json"
FINISHED_RUNS = "finished.txt"


def attempt_folder(study: Path, identity: str, attempt: int) -> Path:
    """Return the folder of an attempt: the identity, with -2, -3, ... from the second on."""
    return study / (identity if attempt == 1 else f"{identity}-{attempt}")


def table_file(folder: Path, table: str) -> Path:
    """Return the Parquet file of one of a run's tables."""
    return folder / f"{table}.parquet"
