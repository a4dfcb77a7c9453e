"""The command line: refusals in one line with exit code 2, help, runs in an empty folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bpexp import help as help_
from bpexp.__main__ import main, tree
from bpexp.schema import KEYS

SMALL = ["tracking=off", "epochs=1", "data.limit=64", "width=8", "progress=false"]

# the words, and what the one line must say
REFUSED = [
    ("activtion=relu", "key: 'activtion' is not one of .*; did you mean 'activation'"),
    ("activation=rleu", "activation: 'rleu' is not one of .*; did you mean 'relu'"),
    ("-m activation=relu,rleu", "activation: 'rleu' is not one of"),
    ("init=he_norml", "init: 'he_norml' .* did you mean 'he_normal'"),
    ("cost=crossentropy", "cost: 'crossentropy' .* did you mean 'cross_entropy'"),
    ("optimizer=adm", "optimizer: 'adm' .* did you mean 'adam'"),
    ("data=mnst", "data: 'mnst' .* did you mean 'mnist'"),
    ("stop=never", "stop: 'never' is not one of"),
    ("tracking=wandb", "tracking: 'wandb' is not one of mlflow, off"),
    ("experiment=nothing", "experiment: 'nothing' is not one of"),
    ("depth=-1", "depth: -1 is not an integer of at least 0"),
    ("-m depth=2,-4", "depth: -4 is not an integer of at least 0"),
    ("-m depth=1 lr=0.1,0", "lr: 0 is not a finite number above 0"),
    ("depth=abc", "depth: 'abc' is not an integer"),
    ("depth=2.5", "depth: 2.5 is not an integer"),
    ("depth=true", "depth: True is not an integer"),
    ("depth=null", "depth: None is not an integer"),
    ("depth=[1]", r"depth: \[1\] is not an integer"),
    ("depth=", "depth: '' is not an integer"),
    ("depth=10001", "depth: 10001 is not an integer"),
    ("width=0", "width: 0 is not an integer of at least 1"),
    ("depth=9999 width=65536", "width: 65536 at depth 9999 makes .* parameters"),
    ("lr=0", "lr: 0 is not a finite number above 0"),
    ("lr=-0.1", "lr: -0.1 is not a finite number above 0"),
    ("lr=nan", "lr: nan is not a finite number above 0"),
    ("lr=inf", "lr: inf is not a finite number above 0"),
    ("lr=fast", "lr: 'fast' is not a finite number above 0"),
    ("batch_size=0", "batch_size: 0 is not an integer of at least 1"),
    ("epochs=-1", "epochs: -1 is not an integer of at least 0"),
    ("epochs=1e3", "epochs: 1000.0 is not an integer"),
    ("seed=-1", "seed: -1 is not an integer of at least 0"),
    ("threads=0", "threads: 0 is not an integer of at least 1"),
    ("jobs=0", "jobs: 0 is not an integer of at least 1"),
    ("frozen=9 depth=2", "frozen: 9 is not an integer of at most depth . 1 = 3"),
    ("-m frozen=0,4 depth=2,4", "frozen: 4 is not an integer of at most depth . 1 = 3"),
    ("dtype=float16", "dtype: 'float16' is not one of float32, float64"),
    ("force=maybe", "force: 'maybe' is not true or false"),
    ("log_model=some", "log_model: 'some' is not one of best, all, none"),
    ("draw=[deed]", r"draw: \['deed'\] is not a list of any of grad_norm"),
    ("draw=dead", "draw: 'dead' is not a list of any of grad_norm"),
    ("forecast=maybe", "forecast: 'maybe' is not one of off, on, only"),
    ("probe.every=-1", "probe.every: -1 is not an integer of at least 0"),
    ("probe.evry=2", "key: 'probe.evry' .* did you mean 'probe.every'"),
    ("probe=3", "key: 'probe' is not one of .*probe.every"),
    ("checkpoint.seconds=0", "checkpoint.seconds: 0 is not a finite number above 0"),
    ("study=../../x", "study: '../../x' is not"),
    ("study='a/b'", "study: 'a/b' is not"),
    ("study='.hidden'", "study: '.hidden' is not"),
    ("study='a\nb'", r"study: .* is not"),
    (f"study={'x' * 300}", "study: 'xxx.* is not"),
    ("study=sweeps/x", "study: 'sweeps/x' is not"),
    ("activation=leaky activation.negative_slope=2", "activation.negative_slope: 2.0 is not"),
    ("activation=leaky activation.negative_slope=x", "activation.negative_slope: 'x' is not a num"),
    ("activation.negative_slop=1", "activation.negative_slop: .* did you mean 'negative_slope'"),
    ("activation.negative_slope=1", "activation.negative_slope: not a parameter of the chosen"),
    ("activation=elu activation.alpha=-1", "activation.alpha: -1.0 is not"),
    ("init=normal init.std=-1", "init.std: -1.0 is not a finite number of at least 0"),
    ("init=mean_field init.sigma_w2=nan", "init.sigma_w2: nan is not"),
    ("optimizer.momentum=0.9", "optimizer.momentum: not a parameter of the chosen optimizer"),
    ("optimizer=momentum optimizer.momentum=1.5", "optimizer.momentum: 1.5 is not"),
    ("optimizer.clip_norm=0", "optimizer.clip_norm: 0.0 is not"),
    ("cost=squared_error cost.output=sigmoit", "cost.output: 'sigmoit' is not one of"),
    ("cost=squared_error cost.factor=0.3", "cost.factor: 0.3 is not 1 or 0.5"),
    ("stop=cost stop.target=0", "stop.target: 0.0 is not a number above 0"),
    ("data=mnist data.root=/nowhere", "data.root: '/nowhere' is not a folder"),
    ("data=npz", "data.path: '' is not the path of an npz file"),
    ("data=npz data.path=/nowhere.npz", "/nowhere.npz: cannot be read"),
    ("data=parity data.bits=99", "data.bits: 99 is not an integer from 3 to 20"),
    ("data.limit=0", "data.limit: 0 is not an integer of at least 1"),
    ("data.scale=2", "data.scale: 2 is not true or false"),
    ("depth=2,4", "depth=2,4: several values are a sweep"),
    ("-m depth=2,4 depth=8", "depth: given twice"),
    ("depth=2 depth=3", "depth: given twice"),
    ("+foo=1", "key: 'foo' is not one of"),
    ("+experimnt=x", "key: 'experimnt' .* did you mean 'experiment'"),
    ("depth", "depth: .*EQUAL"),
    ("=3", "=3: no key"),
    ("depth=[", r"depth=\[: "),
    ("lr=0.1]", r"lr=0.1\]: "),
    ("~depth", "depth: missing"),
    ("~activation", "activation: missing"),
]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bpexp(monkeypatch, words):
    monkeypatch.setattr(sys, "argv", ["bpexp", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code


def split(words):
    """Split at spaces outside of quotes; the shell's quotes stay, Hydra's grammar knows them."""
    return re.findall(r"(?:[^\s']|'[^']*')+", words)


@pytest.mark.parametrize(("words", "line"), REFUSED)
def test_what_cannot_be_meant_is_refused_in_one_line(words, line, empty, monkeypatch, capsys):
    assert bpexp(monkeypatch, [*split(words), "tracking=off"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert re.match(line, err)
    assert not list(empty.iterdir())


def test_there_are_enough_of_them():
    assert len(REFUSED) >= 60


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
    code = "import sys, bpexp.__main__ as m\ntry: m.main()\nexcept SystemExit: pass\n"
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
    assert "1 of 1 runs are finished already" in again.stdout
    assert journal.read_bytes() == before
    table = [line for line in first.stdout.splitlines() if line.startswith("relu")]
    assert table == [line for line in again.stdout.splitlines() if line.startswith("relu")]


def test_force_makes_a_new_attempt_beside_the_old(empty):
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


def test_a_folder_of_ones_own_choices_is_respected(empty):
    mine = empty / "mine" / "activation"
    mine.mkdir(parents=True)
    (mine / "steep.yaml").write_text("name: leaky\nnegative_slope: 0.5\n")
    done = run(*SMALL, "activation=steep", "--config-dir", "mine", cwd=empty)
    assert "leaky" in done.stdout


def test_the_package_needs_no_checkout():
    assert (Path(__file__).parents[1] / "conf" / "config.yaml").exists()


def test_a_forecast_alone_trains_nothing(empty):
    done = run("-m", *SMALL, "activation=sigmoid,relu", "depth=8", "forecast=only", cwd=empty)
    table = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if "-d8" in line}
    assert table == {"sigmoid-d8": "fails", "relu-d8": "trains"}
    assert not list(empty.glob("runs/bpexp/*/journal.jsonl"))
    assert list(empty.glob("runs/bpexp/sweeps/*/figures/forecast.png"))


def test_a_forecast_is_scored(empty):
    done = run("-m", *SMALL, "activation=sigmoid", "depth=6,8", "forecast=on", cwd=empty)
    assert "forecast: 100% right; trained as expected 0, failed as expected 2" in done.stdout
    (cells,) = empty.glob("runs/bpexp/sweeps/*/forecast.csv")
    assert cells.read_text().splitlines()[0].endswith("first_to_last,trained")
