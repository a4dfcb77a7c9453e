"""Studies: each file says what it asks, and composes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml
from helpers import ROOT

STUDIES = sorted((ROOT / "experiments").glob("*.yaml"))
MNIST = ROOT.parent / "shared" / "data" / "mnist"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_is_headed_by_its_question_command_time_and_finding(path):
    head = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    for word in ("Question", "Command", "Time", "Finding"):
        assert any(line.startswith(f"# {word} ") for line in head), word
    assert f"experiment={path.stem}" in path.read_text()
    assert path.stem in (ROOT / "experiments" / "README.md").read_text()
    assert yaml.safe_load(path.read_text())["study"] == path.stem


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_runs_quickly_and_the_command_line_overrides_it(path, tmp_path):
    words = ["-m", f"experiment={path.stem}", "quick=true", "seed=0", "tracking=off"]
    if "data.root=FOLDER" in path.read_text():
        if not MNIST.is_dir():
            pytest.skip("MNIST is not at hand")
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
    own = [f"d{depth}-s{seed}" for depth in (2, 8) for seed in (0, 4)]
    assert names == {f"{name}-{rest}" for name in ("tanh", "relu", "elu") for rest in own}
