"""`bpexp list`, `show`, `rm` and `export`, on a small sweep that was trained and mirrored."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile

import pandas as pd
import pytest
from helpers import make_config

import bpexp
from bpexp.commands import COMMANDS, completed, main
from bpexp.commands.text import age, bytes_text
from bpexp.errors import BpexpError
from bpexp.record.journal import Journal
from bpexp.record.studies import Study
from bpexp.sweeping.driver import run_sweep
from bpexp.tracking.client import configured, connect
from bpexp.tracking.relocation import relocate


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a study of four runs, in a store of its own too."""
    folder = tmp_path_factory.mktemp("made")
    configs = [
        make_config(activation=name, depth=depth, epochs=1, tracking="mlflow", study="mine")
        for name in ("relu", "sigmoid")
        for depth in (0, 1)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        assert run_sweep(configs, root=folder, multirun=True).code == 0
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of the runs, without the store, as the current folder."""
    shutil.copytree(made / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_list_counts_what_the_loaders_load(here, capsys):
    runs = bpexp.load_runs("mine")
    assert main(["list"]) == 0
    head, row = lines(capsys)
    cells = row.split("  ")
    assert head.split() == ["study", "runs", "states", "verdicts", "MLflow", "size", "used"]
    assert row.split()[:4] == ["mine", "4", "4", "finished"]
    for verdict, count in runs["verdict"].value_counts().items():
        assert count == 0 or f"{count} {verdict}" in row
    assert re.fullmatch(r"just now|\d min ago", cells[-1].strip())


def test_list_of_a_study_has_a_line_a_run(here, capsys):
    assert main(["list", "mine"]) == 0
    _, *rows = lines(capsys)
    runs = bpexp.load_runs("mine").set_index("run")
    assert len(rows) == 4
    for row in rows:
        identity, name, state, verdict, score = row.split()[:5]
        expected = runs.loc[identity]
        assert (name, state, verdict) == (expected["name"], "finished", str(expected["verdict"]))
        assert score == f"{expected['accuracy/test']:.3f}"


def test_nothing_is_listed_where_nothing_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 0
    assert lines(capsys) == [f"no runs in {tmp_path}"]


def test_states_of_runs_without_an_end(here, capsys):
    folder = Study.named("mine", here).runs[0].folder
    journal = folder / "journal.jsonl"
    kept = journal.read_bytes()
    journal.write_bytes(b"\n".join(kept.splitlines()[:-1]) + b"\n")
    main(["list", "mine"])
    assert " unfinished " in capsys.readouterr().out
    with Journal(folder):
        main(["list", "mine"])
        assert " training " in capsys.readouterr().out
        with pytest.raises(BpexpError, match=f"rm: {folder.name}: in training"):
            main(["rm", "mine", "--yes", "--keep-mlflow"])
    assert folder.exists()


def test_a_damaged_journal_is_named_and_the_rest_is_listed(here, capsys):
    folder = Study.named("mine", here).runs[0].folder
    (folder / "journal.jsonl").write_text("{\n")
    assert main(["list", "mine"]) == 1
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 4
    assert "journal.jsonl" in shown.err


@pytest.mark.parametrize("text", ["{", "[]", "{}", ""])
def test_a_damaged_record_of_a_sweep_is_named(text, here, capsys):
    (record,) = here.glob("runs/mine/sweeps/*/sweep.json")
    record.write_text(text)
    for command in ("list", "show"):
        assert main([command, "mine"]) == 1
        shown = capsys.readouterr()
        assert "sweep.json: damaged; the sweep's command writes it again" in shown.err
        assert shown.out


def test_a_journal_that_cannot_be_opened_is_named(here, capsys):
    folder = here / "runs" / "mine" / "other"
    (folder / "journal.jsonl").mkdir(parents=True)
    assert main(["list"]) == main(["show", "mine"]) == 1
    shown = capsys.readouterr()
    assert shown.err.count("journal.jsonl: cannot be read: Is a directory") == 2
    assert "mine" in shown.out


def test_show_prints_the_command_and_the_best_run(here, capsys):
    assert main(["show", "mine"]) == 0
    shown = capsys.readouterr().out
    best = bpexp.load_runs("mine")["accuracy/test"].max()
    assert f", accuracy {best:.3f} (test)" in shown
    assert "command:  " in shown


def test_show_of_a_run_has_its_configuration_and_metrics(here, capsys):
    run = bpexp.load_runs("mine").iloc[0]
    for name in (run["run"], run["run"][:6], run["name"]):
        assert main(["show", "mine", name]) == 0
        shown = dict(
            line.split(maxsplit=1) for line in lines(capsys) if len(line.split(maxsplit=1)) == 2
        )
        assert shown["accuracy/test"] == f"{run['accuracy/test']:.6g}"
        assert shown["depth"] == str(run["depth"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "mime"], "study: 'mime' is not one of mine; did you mean 'mine'?"),
        (["show", "mine", "rleu-d1"], "did you mean 'relu-d1'?"),
        (["show", "mine", ""], "'' matches 4 runs"),
        (["export", "none"], "study: 'none' is not one of mine"),
        (["rm", "mine"], "--yes deletes without asking"),
        (["rm", "mine", "x"], "run: 'x' is not one of"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(here, words, message):
    with pytest.raises(BpexpError) as refused:
        main(words)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(Study.named("mine", here).runs) == 4


def test_an_export_loads_elsewhere(here, tmp_path_factory, monkeypatch, capsys):
    before = {name: load("mine") for name, load in LOADERS.items()}
    assert main(["export", "mine", "--to", "out.zip"]) == 0
    with pytest.raises(BpexpError, match="exists; --force replaces it"):
        main(["export", "mine", "--to", "out.zip"])
    assert main(["export", "mine", "--to", "out.zip", "--force"]) == 0
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with zipfile.ZipFile("out.zip") as archive:
        names = archive.namelist()
        archive.extractall(elsewhere)
    assert not [name for name in names if name.endswith((".lock", ".log", ".tmp"))]
    assert any(name.endswith("figures/learning_curves.png") for name in names)
    monkeypatch.chdir(elsewhere)
    for name, load in LOADERS.items():
        pd.testing.assert_frame_equal(
            before[name].drop(columns="folder", errors="ignore"),
            load("mine").drop(columns="folder", errors="ignore"),
        )
    for folder in bpexp.load_runs("mine")["folder"]:
        bpexp.load_network(folder)


LOADERS = {"runs": bpexp.load_runs, "layers": bpexp.load_layers, "curves": bpexp.load_curves}


def stored(folder):
    """Return the names of the runs that the store of a folder holds, deleted ones included."""
    with configured():
        from mlflow.entities import ViewType

        client = connect(f"sqlite:///{folder}/mlflow.db")
        experiments = client.search_experiments(view_type=ViewType.ALL)
        ids = [entry.experiment_id for entry in experiments if entry.name == "mine"]
        runs = client.search_runs(ids, run_view_type=ViewType.ALL) if ids else []
        return ids, sorted(run.info.run_name.split("-")[0] for run in runs)


def test_rm_deletes_runs_on_disk_and_in_mlflow(made, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(made, folder)
    assert relocate(f"sqlite:///{folder}/mlflow.db", folder)

    def rm(*words):
        command = [sys.executable, "-m", "bpexp", "rm", "mine", *words]
        environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)

    assert stored(folder)[1] == ["relu", "relu", "sigmoid", "sigmoid", "sweep"]
    done = rm("relu-d0", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "deleted 1 run of mine, and 1 in MLflow\n"
    assert stored(folder)[1] == ["relu", "sigmoid", "sigmoid", "sweep"]
    assert len([*folder.glob("runs/mine/*/journal.jsonl")]) == 3
    done = rm("--yes")
    assert done.stdout == "deleted 3 runs of mine, and 3 in MLflow\n"
    assert stored(folder) == ([], [])
    assert not (folder / "runs" / "mine").exists()


def test_rm_deletes_nothing_from_the_disk_if_the_store_does_not_answer(here, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(BpexpError, match="no folder was deleted"):
        main(["rm", "mine", "--yes", "--tracking-uri", "http://127.0.0.1:9"])
    assert len(Study.named("mine", here).runs) == 4
    assert main(["rm", "mine", "--yes", "--keep-mlflow"]) == 0
    assert not (here / "runs" / "mine").exists()


@pytest.mark.parametrize(
    ("line", "words", "complete"),
    [
        ("bpexp ", [*COMMANDS], False),
        ("bpexp sh", ["show"], False),
        ("bpexp list ", ["mine"], True),
        ("bpexp export m", ["mine"], True),
        ("bpexp rm mine zzz", [], True),
        ("bpexp depth=1 ", None, False),
    ],
)
def test_completion(here, capsys, line, words, complete):
    assert completed(line) is complete
    shown = capsys.readouterr().out
    assert shown.split() == (words or [])


def test_runs_are_completed(here, capsys):
    names = {run.folder.name for run in Study.named("mine", here).runs}
    assert completed("bpexp show mine ")
    assert {*capsys.readouterr().out.split()} == names


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e12, "2.5e+03 GB")]
)
def test_sizes(number, text):
    assert bytes_text(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "just now"), (120, "2 min ago"), (7200, "2 h ago"), (2e5, "2 d ago")]
)
def test_ages(seconds, text):
    assert age(time.time() - seconds - 0.1) == text
