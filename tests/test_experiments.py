"""Studies: each file is headed by its question and composes, and each runs in its quick form."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from helpers import MNIST, ROOT, needs_mnist

from bpexp.__main__ import main
from bpexp.sweeping.driver import Outcome

STUDIES = sorted((ROOT / "experiments").glob("*.yaml"))
SAMPLE = ("backward_pass_parity",)  # of the quick forms; .ci/run full takes all
README = (ROOT / "experiments" / "README.md").read_text()

each = pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)


def needs_data(path):
    """Whether a study's own command names the folder that holds its data."""
    return "data.root=FOLDER" in path.read_text()


def quick_form(path):
    marks = [needs_mnist] if needs_data(path) else []
    marks += [] if path.stem in SAMPLE else [pytest.mark.full]
    return pytest.param(path, id=path.stem, marks=marks)


@each
def test_a_study_is_headed_by_its_question_command_time_and_finding(path):
    head = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    for word in ("Question", "Command", "Time", "Finding"):
        assert any(line.startswith(f"# {word} ") for line in head), word
    assert f"experiment={path.stem}" in path.read_text()
    assert path.stem in README
    assert yaml.safe_load(path.read_text())["study"] == path.stem


@each
def test_a_study_composes_to_the_number_of_runs_that_its_text_names(path, tmp_path, monkeypatch):
    grid = []

    def run_sweep(configs, multirun):
        grid.extend(configs)
        return Outcome([], 0, [None] * len(configs))

    monkeypatch.setattr("bpexp.sweeping.hydra._run_sweep_here", run_sweep)
    words = ["bpexp", "-m", f"experiment={path.stem}"]
    words += [f"data.root={tmp_path}"] if needs_data(path) else []
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    (section,) = re.findall(rf"^###? {path.stem}\n(.*?)(?=^##|\Z)", README, re.M | re.S)
    assert f"{len(grid)} runs" in section
    assert {config.study for config in grid} == {path.stem}


@pytest.mark.parametrize("path", [quick_form(path) for path in STUDIES])
def test_a_study_runs_quickly_and_the_command_line_overrides_it(path, tmp_path):
    words = ["-m", f"experiment={path.stem}", "quick=true", "seed=0", "tracking=off"]
    if needs_data(path):
        words.append(f"data.root={MNIST}")
    done = subprocess.run(
        [sys.executable, "-m", "bpexp", *words], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob(f"runs/{path.stem}/*/weights.npz"))


def test_quick_keeps_the_ends_of_a_studys_grid(tmp_path):
    words = [
        "-m",
        "experiment=vanishing",
        "quick=true",
        "forecast=only",
        "activation=tanh,relu,elu",
    ]
    subprocess.run([sys.executable, "-m", "bpexp", *words], cwd=tmp_path, check=True)
    (table,) = tmp_path.glob("runs/vanishing/sweeps/*/forecast.csv")
    names = {line.split(",")[1] for line in table.read_text().splitlines()[1:]}
    own = [f"d{depth}-lr{lr}-s{seed}" for depth in (2, 8) for lr in (0.01, 6.25) for seed in (0, 6)]
    assert names == {f"{name}-{rest}" for name in ("tanh", "relu", "elu") for rest in own}
