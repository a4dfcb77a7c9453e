"""The command line under the newest pre-release of the next Hydra that pyproject.toml allows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEXT = "hydra-core>=1.4.0rc1,<1.5"
TESTS = ["tests/test_cli.py", "tests/config", "tests/sweeping/test_sweep.py"]


@pytest.fixture(scope="module")
def next_hydra(tmp_path_factory):
    """Return the environment variables of a process that imports the next Hydra."""
    target = tmp_path_factory.mktemp("hydra")
    install = [sys.executable, "-m", "pip", "install", "-q", "--pre", "--no-deps"]
    done = subprocess.run(
        [*install, "--target", target, NEXT, "omegaconf"], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"{NEXT} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(target), str(ROOT)]),
        "PYTEST_ADDOPTS": "",
    }


@pytest.mark.full
def test_the_next_hydra_passes_the_tests_of_the_command_line(next_hydra):
    version = [sys.executable, "-c", "import hydra; print(hydra.__version__)"]
    shown = subprocess.run(version, env=next_hydra, capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("1.4.")
    tests = [sys.executable, "-m", "pytest", "-q", "-x", *TESTS]
    done = subprocess.run(tests, cwd=ROOT, env=next_hydra, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
