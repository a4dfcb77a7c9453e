"""Commands and what each must print: everyday use and everyday faults, in one process.

What needs a shell, a store or a process of its own is in `test_cli.py`, `test_secrets.py` and
`tracking/`; every key's own refusals are in `config/test_refusals.py`.
"""

from __future__ import annotations

import re
import shlex
import sys
import threading
from typing import NamedTuple

import numpy as np
import pytest
from helpers import IMAGES, LABELS, idx
from scipy.sparse import csr_matrix, save_npz

import bpexp
from bpexp.__main__ import main
from bpexp.data import load_once
from bpexp.data.images import FILES
from bpexp.errors import ConfigError
from bpexp.nn import ACTIVATIONS
from bpexp.report.command import main as write_report
from bpexp.sweeping import presentation
from bpexp.tracking.command import main as sync

Q = "epochs=1 data.limit=128 width=8 progress=false tracking=off jobs=1"
MINE = "epochs=1 width=8 progress=false tracking=off jobs=1 data=npz"


class Row(NamedTuple):
    """A command, its exit code, and patterns that its output must contain.

    The last pattern must match standard error as a whole.
    """

    command: str
    code: int
    printed: tuple[str, ...]
    told: str = ""


def row(command, code=0, *printed, told=""):
    return Row(command, code, printed, told)


def refused(command, line):
    return Row(command, 2, (), re.escape(line) + "\n")


def one_value(command, word):
    key = word.partition("=")[0]
    line = f"{word}: {key} does not change a run's numbers; give one value"
    return refused(f"{command} {word}", line)


WORKS = [
    row(f"{Q} depth=1", 0, r"^activation +depth +accuracy", r"^relu +1 +0\.\d+"),
    row(f"-m {Q} depth=0,1", 0, r"^relu +0 ", r"^relu +1 "),
    row(f"{Q} depth=1 -m lr=0.1,0.2", 0, r"^relu +1 +0\.1 ", r"^relu +1 +0\.2 "),
    row(f"{Q} study='\"20240101\"'", 0, r"^relu"),
    *(row(f"{Q} study={name}", 0, r"^relu") for name in ("1e3", "2024", "true")),
    row("--version", 0, rf"^bpexp {re.escape(bpexp.__version__)} \(hydra-core "),
    row("--help", 0, r"^  depth +hidden layers", r"^  draw "),
    row("--help activation", 0, r"^  activation ", *(rf"^ +{name}: " for name in ACTIVATIONS)),
    row("--help depth lr", 0, r"^  depth ", r"^  lr "),
    row("depth=3 --cfg job", 0, r"^depth: 3$", r"^data:$"),
    row("depth=3 --cfg job --resolve", 0, r"^depth: 3$"),
    row(
        "tracking.uri=http://me:hunt3r2@host/?token=t0k3n --cfg job", 2, told=r"tracking\.uri=http://"
        r"\*\*\*.*; text with special characters is quoted: 'tracking\.uri=\"http://\*\*\*.*\"'\n",
    ),
    row(
        "'tracking.uri=\"http://me:hunt3r2@host/?token=t0k3n\"' --cfg job", 0,
        r"^  uri: http://\*\*\*@host/\?token=\*\*\*$",
    ),
]  # fmt: skip

COMPLETIONS = ", ".join(
    f"{verb}={shell}"
    for verb in ("install", "query", "uninstall")
    for shell in ("bash", "fish", "zsh")
)
SWEEPS = [
    *(
        one_value(f"-m {Q} depth=1", word)
        for word in (
            "study=a,b", "force=true,false", "log_model=best,none", "forecast=off,on",
            "checkpoint.every=1,2", "draw=[q],[dead]", "fail_fast=true,false",
        )
    ),
    one_value("-m", "jobs=1,2"),
    one_value("-m", "tracking=off,mlflow"),
    one_value("-m", "tracking.uri=a,b"),
    one_value("-m", "progress=true,false"),
    refused("experiment=vanishing", "experiment=vanishing: is a sweep: python -m bpexp -m "
            "experiment=vanishing ..."),
    refused("depth=2,4", "depth=2,4: several values are a sweep: python -m bpexp -m ..."),
    refused("-m depth=1,2 --cfg job", "--cfg: shows one run; leave out -m, and give each key one "
            "value"),
    refused("--resolve depth=1", "--resolve: goes with --cfg"),
    refused("hydra.sweep.dir=x", "hydra.sweep.dir: without effect; runs are written below runs/"),
    refused("hydra.job.name=x", "hydra.job.name: without effect; runs are written below runs/"),
    refused("-m depth=1 hydra.launcher._target_=os.system", "hydra.launcher._target_: cannot be "
            "changed; hydra/launcher=NAME chooses another"),
    refused("hydra.searchpath=[nowhere]", "hydra.searchpath: 'nowhere' is not a folder"),
    refused("hydra.searchpath=[file:///nowhere,pkg://x]",
            "hydra.searchpath: '/nowhere' is not a folder"),
    refused("--experimental-rerun x.pickle", "--experimental-rerun: no job is stored; repeat the "
            "command with force=true"),
    refused("-sc", f"--shell-completion: '' is not one of {COMPLETIONS}"),
    refused("-sc install=tcsh", f"--shell-completion: 'install=tcsh' is not one of {COMPLETIONS}; "
            "did you mean 'install=zsh'?"),
    refused("-sc query=zsh", "--shell-completion: query=zsh is for shells, which set COMP_LINE"),
    refused("hydra.output_subdir=x", "hydra.output_subdir: without effect; runs are written below "
            "runs/"),
]  # fmt: skip

FLAGS = "python -m bpexp --hydra-help explains the flags"
WORDS = [
    refused("-m seed=range(1000000000)", "seed: makes a sweep of more than 100000 runs"),
    refused("-m seed=range(1000) lr=0.1,0.2 depth=range(100)",
            "seed: makes a sweep of more than 100000 runs"),
    refused("data=npz data.path=123", "123: cannot be read: No such file or directory"),
    refused("data=npz data.path=1e3", "1e3: cannot be read: No such file or directory"),
    refused("data=npz 'data.path=${now:}'", "data.path: its interpolation ${...} has no value: "
            "missing 1 required positional argument: 'pattern'"),
    refused("data=npz 'data.path=${oc.env:BPEXP_NOPE}'", "data.path: its interpolation ${...} has "
            "no value: Environment variable 'BPEXP_NOPE' not found"),
    refused("--foo", f"unrecognized arguments: --foo; {FLAGS}"),
    refused("depth=1 -x", f"unrecognized arguments: -x; {FLAGS}"),
    refused("--cfg", f"argument --cfg/-c: expected one argument; {FLAGS}"),
    refused("actvation=relu", "key: 'actvation' is unknown; did you mean 'activation'?"),
    refused("draw=[deed]", "draw: 'deed' is unknown; did you mean 'dead'?"),
    refused("data=npz data.path=/a(b.npz", "data.path=/a(b.npz: mismatched input '(' expecting "
            "<EOF>; text with special characters is quoted: 'data.path=\"/a(b.npz\"'"),
    refused("data=npz data.path=ö.npz", "data.path=ö.npz: token recognition error at: 'ö'; text "
            "with special characters is quoted: 'data.path=\"ö.npz\"'"),
    refused("data=npz data.path=a,b.npz", "data.path=a,b.npz: several values are a sweep: python "
            "-m bpexp -m ...; text with special characters is quoted: 'data.path=\"a,b.npz\"'"),
    refused("data=npz \"data.path=it's.npz\"", "data.path=it's.npz: token recognition error at: "
            "''s.npz'; text with special characters is quoted: 'data.path=\"it'\"'\"'s.npz\"'"),
    refused("data=npz 'data.path=a\"b.npz'", "data.path=a\"b.npz: token recognition error at: "
            "'\"b.npz'; text with special characters is quoted: 'data.path=\"a\\\"b.npz\"'"),
    refused("activation=ReLU", "activation: 'ReLU' is not one of "
            f"{', '.join(sorted(ACTIVATIONS))}; did you mean 'relu'?"),
    refused("DEPTH=1", "key: 'DEPTH' is unknown; did you mean 'depth'?"),
    refused("-m depth=range(1,3),5",
            "depth=range(1,3),5: a sweep within a list; a sweep is depth=a,b"),
    refused("--config-dir nowhere depth=1", "--config-dir: 'nowhere' is not a folder"),
    refused("--help nothing", "key: 'nothing' is not one of " + ", ".join(
        sorted(bpexp.config.schema.KEYS))),
    refused("data=npz data.path=http://me:hunt3r2@host/x.npz",
            "http:/***@host/x.npz: cannot be read: No such file or directory"),
]  # fmt: skip

EMPTY = "'', a"
MAPPED = "the labels {} are classes 0 to {}, in this order"
DATA = [
    row(f"{MINE} data.path=plain.npz", 0, "^relu"),
    row(f"{MINE} data.path=extras.npz", 0, "^relu"),
    row(f"{MINE} data.path=~/plain.npz", 0, "^relu"),
    row(f"{MINE} 'data.path=\"a (b), ö=.npz\"'", 0, "^relu"),
    *(
        row(f"{MINE} data.path={name}.npz", 0, "^relu",
            told=re.escape(f"{name}.npz: {MAPPED.format(names, last)}\n"))
        for name, names, last in (
            ("from_one", "1, 2, 3", 2), ("gaps", "0, 5, 900", 2), ("signs", "-1, 1", 1),
            ("large", "0, 1000000000", 1), ("words", "cat, dog", 1), ("truths", "False, True", 1),
        )
    ),
    row(f"{MINE} data.path=whole.npz", 0, "^relu", told=re.escape(
        "whole.npz: y holds whole numbers, which are read as labels; data.task=regression reads "
        "them as targets\n")),
    row(f"{MINE} data.path=whole.npz data.task=regression cost=squared_error cost.output=identity",
        0, "r2"),
    row(f"{MINE} data.path=missing.npz", 0, "^relu", told=re.escape(
        "missing.npz: no training example is of class 2\n")),
    row(f"{MINE} data.path=unsigned.npz", 0, "^relu"),
    row(f"{MINE} data.path=constant.npz depth=1", 0, "^relu .* dead "),  # all gradients are 0
    row(f"{MINE} data.path=latin.npz depth=0", 0, "^relu", told=re.escape(
        r"latin.npz: the labels caf\xe8, caf\xe9 are classes 0 to 1, in this order") + "\n"),
    row(f"{MINE} data.path=empty_label.npz depth=0", 0, "^relu",
        told=re.escape(f"empty_label.npz: {MAPPED.format(EMPTY, 1)}\n")),
    refused(f"{MINE} data.path=ones.npz", "ones.npz: all labels are 1: there is nothing to learn"),
    refused(f"{MINE} data.path=zeros.npz",
            "zeros.npz: all labels are 0: there is nothing to learn"),
    refused(f"{MINE} data.path=empties.npz",
            "empties.npz: all labels are '': there is nothing to learn"),
    refused(f"{MINE} data.path=sparse.npz", "sparse.npz: holds a sparse matrix and no y; "
            "numpy.savez saves x=matrix.toarray() and y"),
    refused(f"{MINE} data.path=only_x.npz",
            "only_x.npz: holds x, not x and y, or x_train, y_train, x_test, y_test"),
    refused(f"{MINE} data.path=complex.npz",
            "complex.npz: x holds complex numbers, not real numbers"),
    refused(f"{MINE} data.path=beyond.npz", "dtype: float32 holds numbers up to 3.4e+38, and "
            "beyond.npz has 1.0e+39; scale the data, or use dtype=float64"),
    row(f"{MINE} data.path=beyond.npz dtype=float64", 0, "^relu"),
    *(row(f"{Q} data=fashion_mnist data.root={root}", 0, "^relu")
      for root in ("dots", "torch", "swapped")),
    refused(f"{Q} data=fashion_mnist data.root=elsewhere", "elsewhere: no train-images-idx3-ubyte "
            "or train-images-idx3-ubyte.gz; it holds MNIST, cat.png"),
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with the files that the commands name."""
    folder = tmp_path_factory.mktemp("files")
    x, y = np.random.default_rng(0).random((60, 3)), np.arange(60) % 3
    labels = {
        "plain": y, "from_one": y + 1, "gaps": np.array([0, 5, 900])[y], "ones": y * 0 + 1,
        "signs": np.where(y, 1, -1), "large": np.where(y, 10**9, 0), "truths": y > 0,
        "words": np.where(y, "dog", "cat"), "whole": y.astype(float), "zeros": y * 0,
        "unsigned": y.astype(np.uint64), "a (b), ö=": y,
    }  # fmt: skip
    for name, values in labels.items():
        np.savez(folder / f"{name}.npz", x=x, y=values)
    np.savez(folder / "constant.npz", x=np.zeros((60, 3)), y=y)
    np.savez(folder / "empty_label.npz", x=x, y=np.where(y, "a", ""))
    np.savez(folder / "empties.npz", x=x, y=np.full(60, ""))
    np.savez(folder / "latin.npz", x=x, y=np.where(y, b"caf\xe9", b"caf\xe8"))  # not UTF-8
    np.savez(folder / "extras.npz", x=x, y=y, names=np.array([None], object))
    np.savez(folder / "only_x.npz", x=x)
    np.savez(folder / "complex.npz", x=x * 1j, y=y)
    np.savez(folder / "beyond.npz", x=x / x.max() * 1e39, y=y)
    np.savez(folder / "missing.npz", x_train=x, y_train=y % 2, x_test=x, y_test=y)
    save_npz(folder / "sparse.npz", csr_matrix(x))
    for root, name in {
        "dots": lambda file: file.replace("-idx", ".idx"),
        "torch": lambda file: f"FashionMNIST/raw/{file}",
        "swapped": lambda file: f"{file}.gz",  # plain data, whatever the name says
    }.items():
        for file in FILES:
            path = folder / root / name(file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(idx(IMAGES if "images" in file else LABELS))
    (folder / "elsewhere" / "MNIST").mkdir(parents=True)
    (folder / "elsewhere" / "cat.png").touch()
    return folder


@pytest.fixture
def here(files, tmp_path, monkeypatch):
    """An empty folder with links to the files, as the current folder; no figures are drawn."""
    for path in files.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(files))
    monkeypatch.setattr(presentation, "_draw", lambda *arguments: [])
    monkeypatch.setattr(presentation, "_report", lambda *arguments: None)
    load_once.cache_clear()
    return tmp_path


def run(command, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bpexp", *shlex.split(command)])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code


@pytest.mark.parametrize(
    "expected", [*WORKS, *SWEEPS, *WORDS, *DATA], ids=lambda r: r.command[-60:]
)
def test_a_command_prints_what_it_must(expected, here, monkeypatch, capsys):
    code = run(expected.command, monkeypatch)
    out, err = capsys.readouterr()
    assert (code, re.fullmatch(expected.told, err) is not None) == (expected.code, True), err
    for pattern in expected.printed:
        assert re.search(pattern, out, re.MULTILINE), out
    assert "hunt3r2" not in out + err
    if expected.code == 2:
        assert not (here / "runs").exists()


def test_the_first_table_is_no_wider_than_a_terminal(here, monkeypatch, capsys):
    for width, shown in ((80, "ratio  verdict  seconds"), (200, "ratio  verdict  gradient ")):
        monkeypatch.setenv("COLUMNS", str(width))
        assert run(f"{Q} depth=1", monkeypatch) == 0
        lines = capsys.readouterr().out.splitlines()
        assert max(map(len, lines)) <= width
        assert any(shown in line for line in lines)


def test_a_table_of_long_values_and_many_keys_fits_a_terminal(here, monkeypatch, capsys):
    folder = here / "a folder with a long name" / "of data"
    folder.mkdir(parents=True)
    for name in ("plain", "from_one"):
        (folder / f"{name}.npz").symlink_to(here / f"{name}.npz")
    paths = ",".join(f'"{folder / name}.npz"' for name in ("plain", "from_one"))
    monkeypatch.setenv("COLUMNS", "80")
    command = f"-m {MINE} depth=1 lr=0.1,0.2 init=normal,lecun_normal 'data.path={paths}'"
    assert run(command, monkeypatch) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("from_one.npz" in line for line in lines) == 4


def test_a_thread_may_run_it(here, monkeypatch, capsys):
    """A server has no main thread to spare, and Python sets no signal handlers elsewhere."""
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run(f"{Q} depth=1", monkeypatch)))
    thread.start()
    thread.join()
    assert codes == [0]
    assert capsys.readouterr().err == ""


def test_runs_that_is_a_file_is_one_line(here, monkeypatch, capsys):
    (here / "runs").touch()
    assert run(f"{Q} depth=1", monkeypatch) == 1
    told = capsys.readouterr().err
    assert told.endswith("a file is in the place of a folder\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize("file", ["finished.txt", "finished.txt.tmp"])
def test_a_folder_in_the_place_of_a_file_is_one_line(file, here, monkeypatch, capsys):
    (here / "runs" / "bpexp" / file).mkdir(parents=True)
    assert run(f"{Q} depth=1", monkeypatch) == 1
    told = capsys.readouterr().err
    assert told.endswith(f"/{file}: a folder is in the place of a file\n")
    assert told.count("\n") == 1


def test_a_deleted_folder_is_one_line(here, monkeypatch, capsys):
    gone = here / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for command in ("depth=1", "list", "cite depth=1"):
        assert run(command, monkeypatch) == 2
    assert sync([]) == write_report(["bpexp"]) == 2
    line = "the current folder no longer exists"
    assert capsys.readouterr().err == f"{line}\n" * 5
    with pytest.raises(ConfigError, match=line):
        bpexp.sweep(depth=1)


def test_a_shell_is_given_a_script_and_nothing_else(here, monkeypatch, capsys):
    for shell in ("bash", "fish", "zsh"):
        assert run(f"-sc install={shell}", monkeypatch) == 0
        out, err = capsys.readouterr()
        assert not {"list", "show"} & {line.split(" ")[0] for line in out.splitlines()}
        assert "bpexp" in out
        assert err == ""


def test_a_shell_completes_subcommands(here, monkeypatch, capsys):
    monkeypatch.setenv("COMP_LINE", "bpexp sh")
    assert run("-sc query=bash", monkeypatch) == 0
    assert "show" in capsys.readouterr().out.split()


def test_a_second_run_of_a_command_trains_nothing(here, monkeypatch, capsys):
    for _ in range(2):
        assert run(f"-m {Q} depth=0,1", monkeypatch) == 0
    assert "2 of 2 runs are finished already; force=true trains anew" in capsys.readouterr().out


def test_sync_of_nothing_is_one_line(here, capsys):
    assert sync(["nothing"]) == 2
    assert capsys.readouterr().err == "sync: no runs in runs/nothing\n"
