"""A study of version 0.1, as a user has it on disk, is loaded as that version loaded it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import bpexp
from bpexp.analysis.verdict import AXES

STUDY = Path(__file__).parent / "recorded" / "study_0_1"
EXPECTED = json.loads((STUDY / "expected.json").read_text())
LOADERS = ("runs", "layers", "theory", "curves", "spectra")
# Theory is computed on this processor and differs in the last digits; other frames are read.
RTOL = {"theory": 1e-6}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old")
    shutil.copytree(STUDY / "runs", folder / "runs")
    return folder


def load(name, study, root):
    return getattr(bpexp, f"load_{name}")(study, root=root)


@pytest.mark.parametrize("study", EXPECTED)
@pytest.mark.parametrize("name", LOADERS)
def test_columns_and_rows(root, study, name):
    """Columns that later versions add are left aside."""
    frame, expected = load(name, study, root), EXPECTED[study][name]
    assert {*expected["columns"]} <= {*frame.columns}
    assert len(frame) == expected["rows"]


@pytest.mark.parametrize("study", EXPECTED)
def test_a_row_for_each_run(root, study):
    runs = load("runs", study, root).set_index("run")
    numbers = EXPECTED[study]["runs"]["numbers"]
    assert sorted(runs.index) == sorted(numbers)
    for identity, expected in numbers.items():
        for column, value in expected.items():
            got = runs.loc[identity, column]
            if isinstance(value, str):
                assert got == value, (identity, column)
            else:
                value = np.nan if value is None else value
                np.testing.assert_allclose(got, value, rtol=1e-12, err_msg=f"{identity} {column}")


@pytest.mark.parametrize("study", EXPECTED)
def test_verdicts_are_those_of_the_journals_and_their_axes_are_absent(root, study):
    runs = load("runs", study, root)
    for _, run in runs.iterrows():
        lines = (Path(run["folder"]) / "journal.jsonl").read_text().splitlines()
        assert run["verdict"] == json.loads(lines[-1])["verdict"]
    assert runs["verdict"].notna().all()
    assert runs[[*AXES]].isna().all(axis=None)


@pytest.mark.parametrize("study", EXPECTED)
@pytest.mark.parametrize("name", LOADERS[1:])
def test_sums_over_a_run(root, study, name):
    frame, expected = load(name, study, root), EXPECTED[study][name]["sums"]
    assert set(frame["run"] if len(frame) else ()) == set(expected)
    for identity, sums in expected.items():
        mine = frame[frame["run"] == identity]
        for column, value in sums.items():
            np.testing.assert_allclose(
                mine[column].sum(), value, RTOL.get(name, 1e-12), err_msg=f"{identity} {column}"
            )


@pytest.mark.parametrize("study", EXPECTED)
def test_theory_knows_every_run(root, study):
    """It is there only where the recorded configuration is still understood."""
    runs, theory = load("runs", study, root), load("theory", study, root)
    layers = theory.groupby("run")["layer"].max()
    assert layers.to_dict() == {run.run: run.depth + 1 for run in runs.itertuples()}
    assert np.isfinite(theory["grad_norm"]).all()


@pytest.mark.parametrize("study", EXPECTED)
def test_networks_score_as_they_did(root, study):
    for _, run in load("runs", study, root).iterrows():
        data = bpexp.load_data("digits", limit=int(run["data.limit"]))
        hits = bpexp.load_network(run).predict(data.x_test) == data.y_test
        assert hits.mean() == pytest.approx(run["accuracy/test"], abs=1 / len(hits))
