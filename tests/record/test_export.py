"""The record without a tracker: tables, configuration and final metrics of a run on disk."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import make_config

from bpexp.analysis.summaries import decay
from bpexp.executors import Interrupt
from bpexp.record import export, run
from bpexp.record.export import complete
from bpexp.record.history import Follower
from bpexp.record.layout import CONFIG, JOURNAL, table_file
from bpexp.record.run import Run
from bpexp.results import load_curves, load_layers, load_runs, load_spectra
from bpexp.sweeping.driver import run_sweep
from bpexp.sweeping.plan import make_plan
from bpexp.sweeping.stacks import train_stack

FRAMES = (load_runs, load_curves, load_layers, load_spectra)
CONFIGS = {
    "seed": range(2),
    "probe": {"every": None, "examples": 64, "jacobian": 2},
    "depth": 3,
}


@pytest.fixture
def study(tmp_path):
    """Two finished runs without a tracker, and the folder of the first."""
    configs = [make_config(**{**CONFIGS, "seed": seed}) for seed in CONFIGS["seed"]]
    plan = make_plan(configs, tmp_path)
    assert train_stack(plan.members, lambda epochs: None, Interrupt()) == ["FINISHED"] * 2
    return plan.members[0].folder


def lines(folder):
    return [json.loads(line) for line in (folder / JOURNAL).read_text().splitlines()]


def frames(folder):
    return [load("bpexp", root=folder.parents[2]) for load in FRAMES]


def assert_equal(some, others):
    for one, other in zip(some, others, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_a_finished_run_has_its_tables_and_its_configuration(study):
    _, *observations, end = lines(study)
    assert end["tables"] == ["curves", "layers", "jacobian_spectrum"]
    layers = pd.read_parquet(table_file(study, "layers"))
    expected = [
        (line["step"], layer, line["layers"]["delta_norm"][layer - 1])
        for line in observations
        for layer in (1, 2, 3, 4)
    ]
    found = layers[["step", "layer", "delta_norm"]].itertuples(index=False, name=None)
    assert list(found) == expected
    spectra = pd.read_parquet(table_file(study, "jacobian_spectrum"))
    expected = [
        (line["step"], example, rank + 1, value)
        for line in observations
        for example, values in enumerate(line["arrays"]["jacobian_spectrum"])
        for rank, value in enumerate(values)
    ]
    columns = ["step", "example", "rank", "jacobian_spectrum"]
    assert list(spectra[columns].itertuples(index=False, name=None)) == expected
    curves = pd.read_parquet(table_file(study, "curves"))
    assert curves["loss/test"].tolist() == [line["metrics"]["loss/test"] for line in observations]
    assert yaml.safe_load((study / CONFIG).read_text()) == lines(study)[0]["config"]


def test_the_end_line_has_the_final_and_initial_metrics(study):
    _, *observations, end = lines(study)
    final, initial = {}, {}
    for line in observations:
        scores = {k: v for k, v in line["metrics"].items() if not k.startswith("distance")}
        values = scores | decay(np.array(line["layers"]["delta_norm"]))
        initial = initial or {name: v for name, v in values.items() if name.startswith("grad")}
        final |= {name: v for name, v in values.items() if math.isfinite(v)}
    assert end["epoch"] == 2.0
    assert final.items() <= end["final"].items()
    assert initial.items() <= end["initial"].items()
    added = {"grad_norm/first", "grad_norm/last"}
    added |= {f"jacobian/{name}" for name in ("mean_square", "relative_variance", "largest")}
    assert end["final"].keys() == final.keys() | added
    assert end["initial"].keys() == initial.keys() | added
    assert end["final"]["grad_norm/first"] == observations[-1]["layers"]["grad_norm"][0]
    assert end["initial"]["grad_norm/last"] == observations[0]["layers"]["grad_norm"][-1]


def test_a_finished_run_is_loaded_without_its_journal_being_parsed(study, monkeypatch):
    expected = frames(study)

    def refuse(*_):
        raise AssertionError("parsed")

    monkeypatch.setattr(Follower, "poll", refuse)
    assert_equal(frames(study), expected)


def without(end, *keys):
    return {key: value for key, value in end.items() if key not in keys}


@pytest.mark.parametrize("harm", ["missing", "empty", "cut", "flipped", "version 0.1"])
def test_tables_that_are_not_there_are_computed_from_the_journal(study, harm):
    expected = frames(study)
    for name in ("curves", "layers", "jacobian_spectrum"):
        path = table_file(study, name)
        whole = bytearray(path.read_bytes())
        path.unlink()
        if harm in ("empty", "cut"):
            path.write_bytes(whole[: len(whole) // 2] if harm == "cut" else b"")
        elif harm == "flipped":
            whole[-9] ^= 255
            path.write_bytes(whole)
    if harm == "version 0.1":
        start, *before, end = lines(study)
        start = without(start, "dimensions")
        end = without(end, "tables", "final", "initial", "epoch")
        for line in before:
            line["spectra"] = line.pop("arrays")["jacobian_spectrum"]
        text = "".join(json.dumps(line) + "\n" for line in [start, *before, end])
        (study / JOURNAL).write_text(text)
    assert_equal(frames(study), expected)


@pytest.mark.parametrize("harm", ["missing", "cut"])
def test_missing_files_of_a_run_are_written_again(study, harm):
    files = [table_file(study, name) for name in ("curves", "layers", "jacobian_spectrum")]
    files.append(study / CONFIG)
    before = [path.read_bytes() for path in files]
    complete(study)
    assert [path.read_bytes() for path in files] == before
    for path, whole in zip(files, before, strict=True):
        path.unlink()
        if harm == "cut" and path.name != CONFIG:
            path.write_bytes(whole[:-20])
    complete(study)
    assert [path.read_bytes() for path in files] == before


def test_a_column_that_an_older_version_did_not_write_is_nan(study, monkeypatch):
    real = export.TABLES["layers"]
    monkeypatch.setitem(
        export.TABLES, "layers", lambda history: {**real(history), "new": np.empty(0)}
    )
    layers = Run.at(study).tables("layers")["layers"]
    assert len(layers["new"]) == len(layers["step"]) > 0
    assert np.isnan(layers["new"]).all()


def test_a_run_without_an_end_is_read_from_its_journal(study):
    """Also if its folder holds tables of an earlier try."""
    kept = lines(study)[:2]
    (study / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in kept))
    found = Run.at(study)
    assert (found.status, found.metrics.epoch) == ("RUNNING", 0.0)
    assert found.metrics.final["loss/test"] == kept[1]["metrics"]["loss/test"]
    assert set(found.tables("layers")["layers"]["step"]) == {0}


def test_a_run_that_was_stopped_or_failed_has_no_tables(tmp_path):
    plan = make_plan([make_config(epochs=3)], tmp_path)
    (member,) = plan.members
    interrupt = Interrupt()

    def report(epochs):
        interrupt.signal = 2

    assert train_stack([member], report, interrupt) == ["KILLED"]
    end = lines(member.folder)[-1]
    assert "tables" not in end
    assert end["epoch"] == 1.0
    assert end["final"]["loss/test"] == lines(member.folder)[-2]["metrics"]["loss/test"]
    assert not list(member.folder.glob("*.parquet"))
    assert (member.folder / CONFIG).exists()


def test_a_finished_sweep_parses_no_journal(tmp_path, monkeypatch):
    configs = [make_config(seed=seed, forecast="on") for seed in range(2)]
    first = run_sweep(configs, root=tmp_path, multirun=True)

    def refuse(*_):
        raise AssertionError("parsed")

    monkeypatch.setattr(run, "read", refuse)
    monkeypatch.setattr(export, "read", refuse)
    assert run_sweep(configs, root=tmp_path, multirun=True) == first
    assert None not in first.scores
