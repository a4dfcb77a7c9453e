"""A file system without locks, such as NFS without its lock service, emulated in all processes."""

import os
import subprocess
import sys

import pytest
from helpers import ROOT

from bpexp.record.layout import JOURNAL, WEIGHTS

WORDS = ("depth=1,2", "seed=0,1", "width=8", "epochs=2", "data.limit=128", "jobs=2", "study=s")
QUIET = ("tracking=off", "progress=false")

# Python runs it at the start of each process, workers and their server included.
WITHOUT_LOCKS = """
import errno, fcntl, os

def flock(file, kind):
    number = getattr(errno, os.environ["FLOCK_FAILS"])
    raise OSError(number, os.strerror(number))

fcntl.flock = flock
"""


def command(folder, *words, **environment):
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "bpexp", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def with_locks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("with")
    done = command(folder, "-m", *WORDS, *QUIET)
    assert done.returncode == 0, done.stderr
    assert "no locks" not in done.stderr
    return folder


@pytest.mark.parametrize("failure", ["ENOLCK", "EOPNOTSUPP"])
def test_a_sweep_without_locks_is_the_same_and_says_so_once(with_locks, tmp_path, failure):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WITHOUT_LOCKS)
    environment = {
        "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}",
        "FLOCK_FAILS": failure,
    }
    folder = tmp_path / "without"
    done = command(folder, "-m", *WORDS, *QUIET, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("this file system has no locks") == 1
    assert "Traceback" not in done.stderr
    runs = sorted(path.parent.name for path in with_locks.glob(f"runs/s/*/{JOURNAL}"))
    assert len(runs) == 4
    for name in runs:
        weights = [root / "runs" / "s" / name / WEIGHTS for root in (with_locks, folder)]
        assert weights[0].read_bytes() == weights[1].read_bytes()
    again = command(folder, "-m", *WORDS, *QUIET, **environment)
    assert "4 of 4 runs are finished already" in again.stdout
    shown = command(folder, "show", "s", **environment)
    assert shown.returncode == 0, shown.stderr
