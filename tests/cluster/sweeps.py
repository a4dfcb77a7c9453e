"""A sweep for clusters, its command, and the comparison with the same sweep on this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
from helpers import ROOT

from bpexp.record.history import read
from bpexp.record.layout import WEIGHTS

EPOCHS = 400  # some seconds a run, so that it can be killed while it trains


def grid():
    """Return the words of a sweep of 24 runs."""
    return [
        "-m", "activation=tanh,relu", "depth=2,3", "seed=0,1,2,3,4,5", "width=64",
        "data.limit=1500", f"epochs={EPOCHS}", "tracking=off", "progress=false", "study=there",
    ]  # fmt: skip


def run_command(folder, *words, wait=True, env=os.environ):
    """Start the command in a folder; return its process and, if it was waited for, its output."""
    folder.mkdir(exist_ok=True)
    environment = env | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bpexp", *words],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return process, (process.communicate(timeout=600)[0] if wait else "")


def outcome(folder):
    """Return what must be equal of a run: its lines without times, its tables and weights."""
    history = read(folder)
    assert history.end is not None, folder
    own = {"time", "seconds"}
    lines = [
        {key: value for key, value in line.items() if key not in own}
        for line in [*history.observations, history.end]
    ]
    weights = dict(np.load(folder / WEIGHTS, allow_pickle=False))
    tables = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    return lines, {name: array.tobytes() for name, array in weights.items()}, tables


def compare(folder, name):
    """Train the sweep on this machine and compare journals, tables and weights bit for bit."""
    process, output = run_command(folder / "local-runs", *grid())
    assert process.returncode == 0, output
    study = folder / "local-runs" / "runs" / "there"
    runs = [path for path in study.iterdir() if (path / WEIGHTS).exists()]
    assert len(runs) == 24
    for run in runs:
        there = folder / name / "runs" / "there" / run.name
        assert outcome(there) == outcome(run), run.name
