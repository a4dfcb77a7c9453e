"""Loading the layers of a study from its Parquet files, against parsing its journals."""

from __future__ import annotations

import shutil

import harness
from harness import row
from helpers import make_config

from bpexp.record.layout import JOURNAL
from bpexp.results import load_layers
from bpexp.sweeping.driver import run_sweep

RUNS, EPOCHS, DEPTH = 1000, 39, 8  # 40 probes of 9 layers


def copy(run, number):
    """Copy a run under another identity, as if it had another seed."""
    identity = f"{number:016x}"
    folder = run.parent / identity
    shutil.copytree(run, folder)
    text = (folder / JOURNAL).read_text()
    text = text.replace(run.name, identity).replace('"seed":0', f'"seed":{number}')
    (folder / JOURNAL).write_text(text)


def test_layers_of_1000_runs(benchmark, tmp_path):
    config = make_config(
        depth=DEPTH, width=8, epochs=EPOCHS, study="many", tracking="off", forecast="off"
    )
    run_sweep([config], root=tmp_path, multirun=True, presented=False)
    (run,) = (path.parent for path in tmp_path.glob(f"runs/many/*/{JOURNAL}"))
    for number in range(1, RUNS):
        copy(run, number)
    shutil.copytree(tmp_path / "runs", tmp_path / "journals" / "runs")
    for table in (tmp_path / "journals").rglob("*.parquet"):
        table.unlink()
    assert len(load_layers("many", root=tmp_path)) == RUNS * (EPOCHS + 1) * (DEPTH + 1)
    medians = harness.interleaved(
        benchmark,
        lambda: load_layers("many", root=tmp_path),
        {"journals": lambda: load_layers("many", root=tmp_path / "journals")},
        rounds=3,
    )
    row(
        "loading the layers of a study: Parquet against journals",
        f"{RUNS} runs, {EPOCHS + 1} steps, {DEPTH + 1} layers",
        medians["ours"] / medians["journals"],
        "",
        f"{medians['ours']:.2f} / {medians['journals']:.2f} s",
    )
