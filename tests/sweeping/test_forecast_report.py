"""The line about a sweep's forecast: a score, an outcome, or the reason why there is none."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from bpexp.sweeping import forecast_report

EXPECTED = {"a": True, "b": True, "c": False}


def run(identity, accuracy, **config):
    return SimpleNamespace(
        identity=identity, start={"config": {"epochs": 1, **config}}, finished=True,
        task="classification", chance=0.2,
        score=lambda split: {"train": accuracy}[split],
    )  # fmt: skip


def told(monkeypatch, tmp_path, capsys, runs, *, quick=False):
    monkeypatch.setattr(forecast_report, "_draw", lambda cells, folder, formats: None)
    names = [run.identity for run in runs]
    cells = pd.DataFrame({"run": names, "trains": [EXPECTED[name] for name in names]})
    forecast_report.score_forecast(cells.assign(quick=quick), runs, tmp_path, ["png"])
    return capsys.readouterr().out.strip()


def test_several_runs_have_a_share(monkeypatch, tmp_path, capsys):
    runs = [run("a", 0.61), run("b", 0.59), run("c", 0.2)]
    assert told(monkeypatch, tmp_path, capsys, runs) == (
        "forecast: right for 2 of 3 runs (67%); trained as expected 1, failed as expected 1, "
        "failed unexpectedly 1, trained unexpectedly 0"
    )


@pytest.mark.parametrize(("name", "accuracy", "outcome"), [
    ("a", 0.9, "trained as expected"), ("a", 0.3, "failed unexpectedly"),
    ("c", 0.3, "failed as expected"), ("c", 0.9, "trained unexpectedly"),
])  # fmt: skip
def test_a_single_run_has_an_outcome(monkeypatch, tmp_path, capsys, name, accuracy, outcome):
    line = told(monkeypatch, tmp_path, capsys, [run(name, accuracy)])
    assert line == f"forecast: {outcome}"


def test_quick_runs_are_not_scored(monkeypatch, tmp_path, capsys):
    line = told(monkeypatch, tmp_path, capsys, [run("a", 0.3, quick=True)], quick=True)
    assert line == "forecast: not scored; quick=true runs are too short to train"
    assert (tmp_path / "forecast.csv").read_text().splitlines()[1] == "a,True,True,"
