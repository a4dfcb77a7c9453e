"""The default sweep, from the wheel, in an empty folder: nothing of the checkout is needed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from helpers import ROOT

SWEEP = ["-m", "bpexp", "-m", "activation=sigmoid,relu,leaky", "depth=2,4,8"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return site


@pytest.fixture(scope="module")
def sweep(installed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("empty")
    done = subprocess.run(
        [sys.executable, *SWEEP],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_wheel_is_what_runs(installed, tmp_path):
    code = "import bpexp; print(bpexp.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(installed))
    assert (installed / "bpexp" / "conf" / "config.yaml").exists()
    assert (installed / "bpexp" / "experiments").is_dir()
    assert (installed / "bpexp" / "py.typed").exists()


def rows(text):
    cells = [line.split() for line in text.splitlines()]
    return {(c[0], c[1]): c for c in cells if c and c[0] in ("sigmoid", "relu", "leaky")}


def test_it_shows_what_the_readme_says(sweep):
    table = rows(sweep[1])
    assert len(table) == 9
    assert table["sigmoid", "8"][7] == "vanishing"
    for activation in ("relu", "leaky"):
        for depth in ("2", "4", "8"):
            assert table[activation, depth][7] == "healthy"
            assert float(table[activation, depth][2]) >= 0.95


def test_it_leaves_figures_the_store_and_the_way_to_both(sweep):
    folder, text = sweep
    (figures,) = folder.glob("runs/bpexp/sweeps/*/figures")
    names = {path.name for path in figures.iterdir()}
    for kind in ("png", "svg", "csv"):
        assert f"gradient_norm_by_layer.{kind}" in names
        assert f"accuracy_by_depth.{kind}" in names
    assert os.path.relpath(figures, folder) in text
    assert "mlflow ui" in text
    assert "#/experiments/1/runs?compareRunsMode=CHART" in text
    assert (folder / "mlflow.db").exists()
