"""The README's sweep, run from an installed wheel in an empty folder, prints the README's table."""

from __future__ import annotations

import os
import re
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


def test_the_wheel_holds_the_package_its_choices_and_its_studies(installed, tmp_path):
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
    studies = {path.name for path in (ROOT / "experiments").glob("*.yaml")}
    assert {path.name for path in (installed / "bpexp" / "experiments").iterdir()} == studies
    assert (installed / "bpexp" / "py.typed").exists()
    assert (installed / "bpexp" / "CITATION.cff").read_bytes() == (
        ROOT / "CITATION.cff"
    ).read_bytes()


def rows(text):
    """Return the rows of the summary table by activation and depth, each by column."""
    lines = [line.split() for line in text.splitlines()]
    header = next(line for line in lines if line[:2] == ["activation", "depth"])
    body = [line for line in lines if len(line) == len(header) and line[1].isdigit()]
    return {(line[0], line[1]): dict(zip(header, line, strict=True)) for line in body}


def test_it_prints_the_table_of_the_readme(sweep):
    """Before training to the digits printed; after it roughly, since it carries roundings on."""
    table, expected = rows(sweep[1]), rows((ROOT / "README.md").read_text())
    assert len(expected) == 9
    assert table.keys() == expected.keys()
    for cell, row in table.items():
        for column, value in row.items():
            if column in ("|dC/dW1|", "|dC/dWL|", "ratio", "activation", "depth", "verdict"):
                assert value == expected[cell][column], (cell, column)
        accuracy = float(expected[cell]["accuracy"])
        assert float(row["accuracy"]) == pytest.approx(accuracy, abs=0.03), cell


def test_it_writes_figures_and_the_store_and_prints_where(sweep):
    folder, text = sweep
    (figures,) = folder.glob("runs/bpexp/sweeps/*/figures")
    names = {path.name for path in figures.iterdir()}
    for kind in ("png", "csv"):
        assert f"gradient_norm_by_layer.{kind}" in names
        assert f"accuracy_by_depth.{kind}" in names
    assert os.path.relpath(figures, folder) in text
    assert "<h2" in (figures.parent / "report.html").read_text()
    assert "mlflow ui" in text
    assert re.search(r"#/experiments/1/runs\?\S*&compareRunsMode=CHART", text)
    assert (folder / "mlflow.db").exists()
