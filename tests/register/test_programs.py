"""Scripts and packages that register rows, run as their users run them, each in a process."""

from __future__ import annotations

import html
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT

import bpexp

SCRIPT = Path(__file__).with_name("my_study.py")
SMALL = ("width=8", "tracking=off", "progress=false", "epochs=1")
DIGITS = ("data.limit=96",)
THREAD = (
    "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
)


def run(folder, *words, path=""):
    """Run a command of Python and return its exit code and all it printed."""
    paths = os.pathsep.join(p for p in (str(path), str(ROOT)) if p)
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def script(tmp_path):
    """Return the user's script in a folder of its own."""
    return Path(shutil.copy(SCRIPT, tmp_path / "my_study.py"))


def read(folder, name):
    """Return what an expression of the script's module and `bpexp` is, in a process of its own."""
    code = f"import bpexp, my_study, numpy as np, json; print(json.dumps({name}))"
    code, shown = run(folder, "-c", code)
    assert code == 0, shown
    return json.loads(shown.splitlines()[-1])


def test_a_script_sweeps_what_it_registers(script):
    """Two workers train stacks; theory, figures and results know the names."""
    folder = script.parent
    words = ("-m", "activation=squareplus,mish,relu", "init=fan_out", "init.gain=2", "depth=1,2")
    words = (*words, "optimizer=heavy_ball", "schedule=square_root", "lr=0.05", "seed=0,1,2")
    words = (*words, "measure=[largest_weight]", "draw=[largest_weight]", "jobs=2", "forecast=on")
    code, shown = run(folder, script, *words, *SMALL, *DIGITS)
    assert code == 0, shown
    assert "activation.source" not in shown  # it follows from the name
    figures = {path.stem for path in folder.glob("runs/*/sweeps/*/figures/*.png")}
    assert {"gradient_norm_by_layer", "largest_weight_through_training"} <= figures
    runs = "bpexp.load_runs('bpexp')"
    assert sorted({*read(folder, f"[*map(str, {runs}.activation)]")}) == [
        "mish",
        "relu",
        "squareplus",
    ]
    # a run of a stack of three, trained in a worker, has the bits of the run alone
    one = [f"{key}={value}" for key, value in (("seed", 1), ("depth", 2), ("study", "alone"))]
    code, shown = run(
        folder, script, "activation=squareplus", *words[2:4], *words[5:8], *one, *SMALL, *DIGITS,
        "measure=[largest_weight]",
    )  # fmt: skip
    assert code == 0, shown
    alone = next(folder.glob("runs/alone/*/weights.npz"))
    with np.load(alone) as a, np.load(folder / "runs/bpexp" / alone.parent.name / alone.name) as b:
        assert all(a[name].tobytes() == b[name].tobytes() for name in a.files)
        layers = [a[name].astype(float) for name in sorted(a.files) if name.startswith("theta")]
    outputs = "bpexp.load_network(bpexp.load_runs('alone').iloc[0]).outputs"
    found = read(folder, f"{outputs}(bpexp.load_data('digits').x_test[:5]).tolist()")
    x = bpexp.load_data("digits").x_test[:5].astype(float)
    for theta in layers[:-1]:
        z = x @ theta[1:] + theta[0]
        x = (z + np.sqrt(z * z + 4)) / 2
    e = np.exp(x @ layers[-1][1:] + layers[-1][0])
    np.testing.assert_allclose(found, e / e.sum(axis=1, keepdims=True), rtol=1e-4)
    largest = "bpexp.load_layers('alone')['largest_weight'].tolist()[-3:]"
    assert read(folder, largest) == pytest.approx([np.abs(t[1:]).max() for t in layers], rel=1e-5)


def test_own_data_and_costs_are_chosen_by_name_and_its_classes_are_kept(script):
    code, shown = run(
        script.parent, script, "data=stripes", "data.examples=80", "cost=pseudo_huber", "cost.d=2",
        "depth=1", "lr=0.1", "epochs=5", *SMALL[:3],
    )  # fmt: skip
    assert code == 0, shown
    row = "bpexp.load_runs('bpexp').iloc[0]"
    assert read(script.parent, f"[*bpexp.load_network({row}).classes]") == ["left", "right"]
    assert read(script.parent, f"float({row}['accuracy/train'])") == 1


def test_help_and_refusals_know_the_names(script):
    code, shown = run(script.parent, script, "--help", "activation")
    assert code == 0
    assert "squareplus: g(z) = (z + sqrt(z^2 + b)) / 2. [b=4.0, source=" in shown
    code, shown = run(script.parent, script, "activation=squarplus")
    assert code == 2
    assert shown.endswith("did you mean 'squareplus'?\n")
    code, shown = run(script.parent, script, "activation=squareplus", "activation.b=-4")
    assert code == 2
    assert shown.startswith("activation squareplus(b=-4.0): g is nan at z = ")
    code, shown = run(script.parent, "-m", "bpexp", "activation=squareplus")
    assert code == 2
    assert "activation: 'squareplus' is not one of" in shown


def test_the_command_of_a_run_starts_the_script(script):
    """In the journal, the report and the sweep's record; what needs no script is left as it is."""
    words = ("-m", "activation=squareplus,relu", "depth=1", *SMALL, *DIGITS)
    code, shown = run(script.parent, "my_study.py", *words)
    assert code == 0, shown
    own = "python my_study.py data.limit=96 depth=1 width=8 activation=squareplus "
    page = next(script.parent.glob("runs/bpexp/sweeps/*/report.html")).read_text()
    assert own in page
    assert "python -m bpexp data.limit=96 depth=1 width=8 epochs=1<" in page
    record = json.loads(next(script.parent.glob("runs/bpexp/sweeps/*/sweep.json")).read_text())
    assert record["command"] == shlex.join(["python", "my_study.py", *words])
    (command,) = {html.unescape(found) for found in re.findall(rf"{own}[^<]*", page)}
    code, shown = run(script.parent, *shlex.split(command)[1:], "tracking=off", "progress=false")
    assert code == 0, shown
    assert "1 of 1 runs is finished already" in shown  # it is the run
    code, shown = run(script.parent, "my_study.py", "remedies", "bpexp", "squareplus-d1")
    assert shown.startswith("squareplus-d1: "), shown
    row = "bpexp.load_runs('bpexp').query('activation == \"squareplus\"').iloc[0]"
    found = read(script.parent, f"bpexp.remedies({row}, seconds=0).remedies[0].command")
    start, rest = "python my_study.py", command.removeprefix("python my_study.py")
    assert found == f"{start} -m{rest} seed=0,1,2"


def test_a_sweep_from_python_names_no_script(script):
    """Such a script does not call bpexp.main, and takes no overrides."""
    keys = "activation='squareplus', width=8, depth=1, epochs=1, data__limit=96, progress=False"
    text = script.read_text().replace("bpexp.main()", f"bpexp.sweep({keys})")
    script.write_text(text)
    code, shown = run(script.parent, "my_study.py")
    assert code == 0, shown
    (journal,) = script.parent.glob("runs/bpexp/*/journal.jsonl")
    assert "program" not in json.loads(journal.read_text().partition("\n")[0])


def test_bash_completes_what_a_script_registers(script):
    """Hydra's completion runs the script, which has to lie below the current folder."""
    lines = ("activation=sq", "optimizer=hea", "activation=mish depth=2 init=fan", "sho")
    shell = """
complete_line() {
    COMP_LINE="$1"; words=($1); COMP_POINT=${#COMP_LINE}; COMP_CWORD=$((${#words[@]} - 1))
    COMPREPLY=(); hydra_bash_completion; echo "${COMPREPLY[@]}"
}
eval "$(python my_study.py -sc install=bash)"
""" + "".join(f'complete_line "python my_study.py {line}"\n' for line in lines)
    folder = script.parent / "bin"
    folder.mkdir()
    python = folder / "python"  # as an environment has it
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", shell], cwd=script.parent, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{folder}:{os.environ['PATH']}"},
    )  # fmt: skip
    expected = ["activation=squareplus", "optimizer=heavy_ball", "init=fan_out", "show"]
    assert done.stdout.split() == expected, done.stderr


def test_an_edited_activation_is_another_run(script):
    words = (script, "activation=squareplus", "depth=1", *SMALL, *DIGITS)
    assert run(script.parent, *words)[0] == 0
    code, shown = run(script.parent, *words)
    assert "1 of 1 runs is finished already" in shown
    script.write_text(
        "# a comment\n" + script.read_text().replace("FACTOR = 0.5", "FACTOR = 1 / 2")
    )
    assert "finished already" in run(script.parent, *words)[1]
    script.write_text(script.read_text().replace("(z + root) * FACTOR, (1", "(z + root) / 2, (1"))
    code, shown = run(script.parent, *words)
    assert code == 0
    assert "finished already" not in shown
    assert read(script.parent, "len(bpexp.load_runs('bpexp'))") == 2
    code = "for _, row in bpexp.load_runs('bpexp').iterrows():\n    "
    code += "bpexp.load_network(row).outputs([[0] * 64])"
    code, shown = run(script.parent, "-c", f"import bpexp, my_study\n{code}")
    assert code != 0
    assert "squareplus was edited since" in shown


def test_workers_that_cannot_be_forked_import_the_script(script):
    script.write_text(script.read_text().replace("import numpy", f"{THREAD}import numpy", 1))
    code, shown = run(
        script.parent, script, "-m", "activation=squareplus,mish", "depth=1,2", "jobs=2",
        *SMALL, *DIGITS,
    )  # fmt: skip
    assert code == 0, shown
    assert read(script.parent, "[*bpexp.load_runs('bpexp').status]") == ["FINISHED"] * 4


@pytest.mark.full
def test_mlflow_serves_a_network_with_the_script_s_activation(script):
    """The model holds the script's file, and serves in a folder that does not."""
    folder = script.parent
    words = ("activation=mish", "depth=1", *SMALL[:1], *SMALL[2:], *DIGITS)
    code, shown = run(folder, script, *words)
    assert code == 0, shown
    x = bpexp.load_data("digits").x_test[:3]
    row = "bpexp.load_runs('bpexp').iloc[0]"
    expected = read(folder, f"bpexp.load_network({row}).outputs({x.tolist()}).tolist()")
    script.unlink()
    store = f"mlflow.set_tracking_uri('sqlite:///{folder}/mlflow.db'); "
    code = f"import mlflow, numpy as np, json; {store}"
    code += "ids = [e.experiment_id for e in mlflow.search_experiments()]; "
    code += "(m,) = mlflow.search_logged_models(ids, output_format='list'); "
    code += f"p = mlflow.pyfunc.load_model(m.model_uri).predict(np.float32({x.tolist()})); "
    code, shown = run(folder, "-c", code + "print(json.dumps(p.tolist()))")
    assert code == 0, shown
    (outputs,) = (line for line in shown.splitlines() if line.startswith("[["))
    np.testing.assert_allclose(json.loads(outputs), expected, rtol=1e-6)


PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "swishes"
version = "1.0"
[project.entry-points."bpexp.plugins"]
swishes = "swishes.activations"
broken = "swishes.missing"
"""
MODULE = '''
import bpexp

@bpexp.register.activation
def cubic(z, *, scale: float = 0.1):
    """g(z) = z + scale z^3."""
    return z + scale * z**3, 1 + 3 * scale * z**2
'''


def test_an_installed_package_registers_by_its_entry_point(tmp_path):
    """Installed by pip from a folder; a plug-in that cannot be imported stops nothing."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("no hatchling")
    package = tmp_path / "project" / "swishes"
    package.mkdir(parents=True)
    (package.parent / "pyproject.toml").write_text(PROJECT)
    (package / "__init__.py").write_text("")
    (package / "activations.py").write_text(MODULE)
    target = tmp_path / "target"
    words = ("--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--target", target)
    code, shown = run(tmp_path, "-m", "pip", "install", *words, package.parent)
    assert code == 0, shown
    code, shown = run(tmp_path, "-m", "bpexp", "--help", "activation", path=target)
    assert code == 0
    assert "cubic: g(z) = z + scale z^3. [scale=0.1, source=" in shown
    assert "plug-in broken of swishes==1.0 is left out: No module named 'swishes.missing'" in shown
    words = ("activation=cubic", "depth=1", *SMALL, *DIGITS)
    code, shown = run(tmp_path, "-m", "bpexp", *words, path=target)
    assert code == 0, shown
    code = "print(bpexp.load_network(bpexp.load_runs('bpexp').iloc[0]).architecture.activation)"
    code, shown = run(tmp_path, "-c", f"import bpexp; {code}", path=target)
    assert code == 0, shown
    assert "cubic(scale=0.1, source=" in shown
