"""The command line: refusals in one line with exit code 2, help, runs in an empty folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bpexp
from bpexp.command_line import tree
from bpexp.config import help as help_
from bpexp.config.schema import KEYS
from bpexp.nn import ACTIVATIONS

SMALL = ["tracking=off", "epochs=1", "data.limit=64", "width=8", "progress=false"]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_names_every_key_and_every_choice():
    text = help_.text(tree("conf"))
    for name, key in KEYS.items():
        assert re.search(rf"^  {re.escape(name)} ", text, re.MULTILINE), name
        for row in getattr(key, "table", {}):
            assert re.search(rf"^ +{row}: ", text, re.MULTILINE), row
    assert max(map(len, text.splitlines())) <= 100


def run(*words, cwd, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "bpexp", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return done


def test_help_and_refusals_import_nothing_heavy(tmp_path):
    heavy = ["mlflow", "pandas", "seaborn", "matplotlib", "sklearn", "pooch", "pyarrow"]
    code = "import sys, bpexp.command_line as m\ntry: m.main()\nexcept SystemExit: pass\n"
    code += f"sys.exit(any(name in sys.modules for name in {heavy}))"
    for words in (["--help"], ["depth=-1"], ["-m", "depth=2,x"], ["frozen=7", "depth=2"]):
        subprocess.run(
            [sys.executable, "-c", code, *words], cwd=tmp_path, check=True, capture_output=True
        )


def test_one_run_then_the_same_command_again(empty):
    first = run(*SMALL, cwd=empty)
    assert "verdict" in first.stdout
    (journal,) = empty.glob("runs/bpexp/*/journal.jsonl")
    before = journal.read_bytes()
    again = run(*SMALL, cwd=empty)
    assert "1 of 1 runs is finished already" in again.stdout
    assert journal.read_bytes() == before
    table = [line for line in first.stdout.splitlines() if line.startswith("relu")]
    assert table == [line for line in again.stdout.splitlines() if line.startswith("relu")]


def test_force_makes_a_new_attempt_and_keeps_the_old(empty):
    run(*SMALL, cwd=empty)
    run(*SMALL, "force=true", cwd=empty)
    one, two = sorted(empty.glob("runs/bpexp/*/journal.jsonl"))
    starts = [json.loads(path.read_text().splitlines()[0]) for path in (one, two)]
    assert [start["attempt"] for start in starts] == [1, 2]
    assert starts[0]["identity"] == starts[1]["identity"]
    assert (one.parent / "weights.npz").read_bytes() == (two.parent / "weights.npz").read_bytes()


def test_names_of_many_kinds_work(empty):
    for study in ("näive Ωx", "a+b.c-d_e 2", "x" * 100):
        run(*SMALL, f"study='{study}'", cwd=empty)
        assert (empty / "runs" / study).is_dir()


@pytest.mark.parametrize("launcher", ["basic"])
def test_other_launchers_run_the_same_task(launcher, empty):
    own = run("-m", *SMALL, "depth=0,1", cwd=empty)
    other = empty / "other"
    other.mkdir()
    basic = run("-m", *SMALL, "depth=0,1", f"hydra/launcher={launcher}", cwd=other)
    rows = [line.split()[:-1] for line in own.stdout.splitlines() if line.startswith("relu")]
    assert len(rows) == 2
    assert all(row in [line.split()[:-1] for line in basic.stdout.splitlines()] for row in rows)
    for path in empty.glob("runs/bpexp/*/weights.npz"):
        assert path.read_bytes() == (other / path.relative_to(empty)).read_bytes()


def test_choices_of_a_users_folder_are_accepted(empty):
    mine = empty / "mine" / "activation"
    mine.mkdir(parents=True)
    (mine / "steep.yaml").write_text("name: leaky\nnegative_slope: 0.5\n")
    done = run(*SMALL, "activation=steep", "--config-dir", "mine", cwd=empty)
    assert "leaky" in done.stdout
    refused = run("=3", "--config-dir", "mine", cwd=empty, code=2)
    assert "=3: no key before '='" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_package_needs_no_checkout():
    assert (Path(__file__).parents[1] / "conf" / "config.yaml").exists()


def test_a_forecast_alone_trains_nothing(empty):
    done = run("-m", "activation=sigmoid,relu", "depth=8", "forecast=only", cwd=empty)
    table = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if "-d8" in line}
    assert table == {"sigmoid-d8": "fails", "relu-d8": "trains"}
    assert not list(empty.glob("runs/bpexp/*/journal.jsonl"))
    assert list(empty.glob("runs/bpexp/sweeps/*/figures/forecast.png"))


def test_a_forecast_is_scored(empty):
    done = run("-m", *SMALL, "activation=sigmoid", "depth=6,8", "forecast=on", cwd=empty)
    assert (
        "forecast: right for 2 of 2 runs (100%); trained as expected 0, failed as expected 2"
        in done.stdout
    )
    (cells,) = empty.glob("runs/bpexp/sweeps/*/forecast.csv")
    assert cells.read_text().splitlines()[0].endswith("linearised_score,trained")


QUICK = ["epochs=1", "data.limit=64", "width=8", "progress=false", "depth=0,1"]


@pytest.mark.parametrize("stdout", ["| head -n 1", "> /dev/full", ">&-"])
def test_a_closed_output_does_not_stop_a_sweep(empty, stdout):
    """All is done but the printing, and the exit code is that of the work."""
    command = (
        f"set -o pipefail; {sys.executable} -m bpexp -m {' '.join(QUICK)} tracking=off {stdout}"
    )
    done = subprocess.run(
        ["bash", "-c", command], cwd=empty, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    (sweep,) = empty.glob("runs/bpexp/sweeps/*/sweep.json")
    assert "ended" in json.loads(sweep.read_text())
    assert list(sweep.parent.glob("figures/*.png"))


def test_a_log_names_each_phase(empty):
    done = run("-m", "depth=0,1", "epochs=1", "width=8", "data.limit=64", "jobs=1", cwd=empty)
    phases = ["training 2 runs", "drawing figures", "writing 2 runs to MLflow"]
    assert done.stderr.splitlines() == phases


@pytest.mark.parametrize("entry", ["bpexp --help", "bpexp.sync nothing"])
def test_other_entries_survive_a_full_device(empty, entry):
    command = f"{sys.executable} -m {entry} > /dev/full 2> /dev/full"
    done = subprocess.run(["bash", "-c", command], cwd=empty, timeout=120)
    assert done.returncode == (0 if "help" in entry else 2)


def test_the_help_of_a_key_explains_it_alone(empty):
    done = run("--help", "activation", cwd=empty)
    assert done.stdout.splitlines()[0].split()[0] == "activation"
    assert all(f"{name}:" in done.stdout for name in ACTIVATIONS)
    assert "optimizer" not in done.stdout


def test_the_version_is_this_packages(empty):
    assert run("--version", cwd=empty).stdout.startswith(f"bpexp {bpexp.__version__} ")


def test_flags_and_overrides_come_in_any_order(empty):
    done = run("depth=0", "-m", "epochs=0,1", "width=8", "tracking=off", cwd=empty)
    assert done.returncode == 0, done.stderr
    assert len([*empty.glob("runs/bpexp/*/journal.jsonl")]) == 2


def test_bash_completes_keys_and_values(empty):
    script = """
complete_line() {
    COMP_LINE="$1"; COMP_POINT=${#COMP_LINE}; COMP_CWORD=1
    "$completer"; echo "${COMPREPLY[@]}"
}
eval "$(bpexp -sc install=bash)"
completer=$(complete -p bpexp | sed -n 's/.*-F \\([^ ]*\\).*/\\1/p')
complete_line "bpexp activation=r"
complete_line "bpexp dep"
"""
    program = empty / "bin" / "bpexp"  # as pip installs it
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom bpexp.__main__ import main\nmain()\n")
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=empty, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    assert done.stdout.split() == ["activation=relu", "depth="]
