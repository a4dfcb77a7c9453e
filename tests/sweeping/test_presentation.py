"""The output of a sweep during training, and figures that cannot be drawn."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading

import pandas as pd
import pytest
from helpers import make_config

from bpexp.analysis.verdict import AXES
from bpexp.sweeping import terminal
from bpexp.sweeping.driver import run_sweep


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (("healthy", "preserved", "preserved", "learnt"), ["healthy", "preserved", "learnt"]),
        (("wrecked", "preserved", "dead", "wrecked"), ["wrecked", "preserved->dead", "wrecked"]),
        (("preserved", "preserved", "preserved", None), ["preserved", "preserved", "-"]),
        (("vanishing", math.nan, math.nan, math.nan), ["vanishing", "-", "-"]),  # of version 0.1
        ((None, None, None, None), ["failed", "-", "-"]),
    ],
)
def test_the_summary_shows_both_axes_as_far_as_the_record_has_them(told, expected, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    row = {"task": "classification", "activation": "relu", "depth": 2, "status": "FAILED"}
    row |= dict(zip(("verdict", *AXES), told, strict=True)) | {"seconds": 1.0}
    head, line = (
        line.split() for line in terminal.summary(pd.DataFrame([row]), ["depth"]).splitlines()
    )
    assert head[-4:] == ["verdict", "gradient", "training", "seconds"]
    assert line[-4:] == [*expected, "1.00"]


def test_a_figure_that_cannot_be_drawn_is_a_warning(tmp_path, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("no such font")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    config = make_config(forecast="on")
    assert run_sweep([config], root=tmp_path, multirun=False).code == 0
    error = capsys.readouterr().err
    (folder,) = tmp_path.glob("runs/*/sweeps/*")
    for name in ("learning_curves", "forecast"):
        assert error.count(f"figure {name}: not drawn: no such font; see ") == 1
        assert "RuntimeError: no such font" in (folder / f"{name}-traceback.txt").read_text()
    assert (folder / "summary.csv").exists()
    assert "ended" in json.loads((folder / "sweep.json").read_text())


def test_what_draws_cannot_be_imported_is_a_warning(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "bpexp.figures", None)
    assert run_sweep([make_config()], root=tmp_path, multirun=False).code == 0
    assert "figures: not drawn: import of bpexp.figures halted" in capsys.readouterr().err


def test_a_sweep_may_run_in_another_thread_than_the_main_one(tmp_path):
    """Signal handlers are allowed in the main thread only."""
    codes = []

    def sweep():
        codes.append(run_sweep([make_config()], root=tmp_path, multirun=False).code)

    thread = threading.Thread(target=sweep)
    thread.start()
    thread.join()
    assert codes == [0]


IMPORTS = """
import sys
import bpexp, bpexp.sweeping.driver
from bpexp.sweeping.presentation import import_figures
import_figures()
before = {*sys.modules}
bpexp.sweep(figures=True, epochs=1, data={"name": "digits", "limit": 64}, width=4, depth=1)
late = {*sys.modules} - before
DRAWING = "bpexp.figures", "bpexp.report", "bpexp.results", "seaborn", "jinja2."
print("late:", *sorted(name for name in late if name.startswith(DRAWING)))
"""


def test_what_draws_is_imported_while_workers_train(tmp_path):
    command = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "late:"
