"""The list of a study's finished runs: a plan reads it, and it is never wrong."""

import shutil

import pytest
from helpers import make_config

from bpexp.record.finished import listed
from bpexp.record.layout import FINISHED_RUNS, JOURNAL, WEIGHTS
from bpexp.sweeping import member as member_module
from bpexp.sweeping.driver import run_sweep
from bpexp.sweeping.plan import make_plan


def grid(seeds, **changes):
    fixed = {"epochs": 1, "tracking": "off", "forecast": "off", "progress": False}
    return [make_config(seed=seed, **fixed, **changes) for seed in range(seeds)]


CONFIGS = grid(4)


def sweep(root, configs=CONFIGS):
    run_sweep(configs, root=root, multirun=True, command="test", presented=False)
    return make_plan(configs, root)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("trained")
    sweep(root)
    return root


@pytest.fixture
def root(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "root")
    return tmp_path / "root"


def test_a_finished_run_is_planned_without_reading_its_folder(root, monkeypatch):
    read_at = []
    monkeypatch.setattr(member_module, "is_finished", lambda folder: read_at.append(folder))
    plan = make_plan(CONFIGS, root)
    assert not read_at
    assert all(member.finished for member in plan.members)
    assert [member.epoch for member in plan.members] == [1] * 4
    assert not plan.stacks


def test_a_run_whose_folder_was_deleted_is_planned_and_leaves_the_list(root):
    gone = make_plan(CONFIGS, root).members[1].folder
    shutil.rmtree(gone)
    assert [member.finished for member in make_plan(CONFIGS, root).members] == [1, 0, 1, 1]
    assert gone.name not in listed(gone.parent)[1]


def test_the_list_is_written_before_training(root, monkeypatch):
    gone = make_plan(CONFIGS, root).members[1].folder
    shutil.rmtree(gone)
    seen = []

    def train_plan(plan, *rest):
        gone.mkdir()
        seen.append(listed(gone.parent)[1])
        return {}

    monkeypatch.setattr("bpexp.sweeping.driver.train_plan", train_plan)
    sweep(root)
    assert gone.name not in seen[0]
    assert len(seen[0]) == 3
    assert gone.name not in listed(gone.parent)[1], "it was not trained"


def test_a_listed_run_whose_journal_was_replaced_is_named_and_trained_by_the_next_command(
    root, capsys
):
    members = make_plan(CONFIGS, root).members
    journal = members[1].folder / JOURNAL
    before = (members[1].folder / WEIGHTS).read_bytes()
    journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:2]))  # an older copy
    (members[2].folder / JOURNAL).unlink()
    assert all(member.finished for member in make_plan(CONFIGS, root).members)
    sweep(root)
    lost = "2 of the runs that were finished have no end in their journals any more"
    assert lost in capsys.readouterr().err
    assert [member.finished for member in make_plan(CONFIGS, root).members] == [1, 0, 0, 1]
    sweep(root)
    assert all(member.finished for member in make_plan(CONFIGS, root).members)
    assert (members[1].folder / WEIGHTS).read_bytes() == before
    assert "any more" not in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, b"", b"\xff\xfe\x00", b"of another study\n"])
def test_without_a_list_the_journals_are_read(root, text):
    study = make_plan(CONFIGS, root).members[0].folder.parent
    (study / FINISHED_RUNS).unlink()
    if text is not None:
        (study / FINISHED_RUNS).write_bytes(text)
    assert all(member.finished for member in make_plan(CONFIGS, root).members)
    sweep(root)
    assert len(listed(study)[1]) == 4


def test_runs_of_other_sweeps_stay_listed(root):
    sweep(root, CONFIGS[:1])
    assert len(listed(make_plan(CONFIGS, root).members[0].folder.parent)[1]) == 4


def test_force_trains_anew_and_lists_the_new_attempt(root):
    first = make_plan(CONFIGS, root).members[0].folder
    sweep(root, grid(1, force=True))
    assert {first.name, f"{first.name}-2"} < listed(first.parent)[1]


def test_force_trains_a_listed_run_without_weights(root):
    first = make_plan(CONFIGS, root).members[0].folder
    (first / WEIGHTS).unlink()
    assert make_plan(grid(1, force=True), root).stacks
    sweep(root, grid(1, force=True))
    assert (first / WEIGHTS).exists()


def test_a_plan_alone_writes_nothing(root):
    study = make_plan(CONFIGS, root).members[0].folder.parent
    (study / FINISHED_RUNS).unlink()
    make_plan(CONFIGS, root)
    assert not (study / FINISHED_RUNS).exists()
