"""The journal: lines are read as written; a torn line is dropped, other damage is reported."""

from __future__ import annotations

import json
import math
import multiprocessing
import os

import numpy as np
import pytest

from bpexp.record.files import replacing
from bpexp.record.history import History, JournalError, first, read
from bpexp.record.journal import Journal, read_checkpoint
from bpexp.record.layout import CHECKPOINT, JOURNAL
from bpexp.record.metrics import final_metrics, measurement_columns
from bpexp.training import Observation

ARRAYS = {
    "number": 1 / 3,
    "ragged": [np.array([1e-30, 2.0]), np.array([np.nan])],
    "jacobian_spectrum": np.array([[2.0, 1.0], [4.0, 1 / 3]]),
}
SEEN = [
    Observation(0, 0.0, {"loss/train": 2.3}, {"grad_norm": np.array([1e-30, 0.1])}, ARRAYS),
    Observation(7, 1.0, {"loss/train": float("nan")}),
    Observation(14, 2.0, {"loss/train": float("inf")}, {"grad_norm": np.array([np.nan, 1 / 3])}),
]


def write(folder, seen=SEEN, end=True):
    with Journal(folder) as journal:
        journal.start(identity="abc", attempt=1, name="x", config={})
        for observation in seen:
            journal.observe(observation)
        if end:
            journal.end("FINISHED", verdict="healthy")


def test_what_is_written_is_read_back(tmp_path):
    write(tmp_path)
    history = read(tmp_path)
    assert history.status == "FINISHED"
    assert history.start["identity"] == "abc"
    assert [line["step"] for line in history.observations] == [0, 7, 14]
    assert history.observations[0]["layers"]["grad_norm"] == [1e-30, 0.1]
    assert np.isnan(history.observations[1]["metrics"]["loss/train"])
    assert history.observations[0]["arrays"]["ragged"][0] == [1e-30, 2.0]
    with Journal(tmp_path) as journal:
        assert journal.observations[2].layers["grad_norm"][1] == 1 / 3
        arrays = journal.observations[0].arrays
    assert arrays["number"] == 1 / 3
    np.testing.assert_array_equal(arrays["jacobian_spectrum"], ARRAYS["jacobian_spectrum"])
    for values, expected in zip(arrays["ragged"], ARRAYS["ragged"], strict=True):
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("torn", [1, 5, 40])
def test_a_torn_last_line_is_dropped_and_written_again(tmp_path, torn):
    write(tmp_path, end=False)
    path = tmp_path / JOURNAL
    whole = path.read_bytes()
    path.write_bytes(whole[:-torn])
    assert len(read(tmp_path).observations) == 2
    with Journal(tmp_path) as journal:
        for observation in SEEN:
            journal.observe(observation)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("step") for line in lines] == [None, 0, 7, 14]


@pytest.mark.parametrize(
    "damage",
    [
        b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"kind": "other"}',
        b'{"kind": "observation"}', b'{"kind": "end"}', b'{"kind": []}',
    ],
)  # fmt: skip
def test_other_damage_is_reported_with_file_and_line(tmp_path, damage):
    write(tmp_path)
    path = tmp_path / JOURNAL
    lines = path.read_bytes().split(b"\n")
    lines[1] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match=f"{JOURNAL}, line 2: damaged"):
        read(tmp_path)


def test_a_step_that_is_held_is_not_written_again_and_must_repeat(tmp_path):
    write(tmp_path, end=False)
    size = (tmp_path / JOURNAL).stat().st_size
    with Journal(tmp_path) as journal:
        for observation in SEEN:
            journal.observe(observation)
        assert (tmp_path / JOURNAL).stat().st_size == size
        changed = Observation(7, 1.0, {"loss/train": 0.1})
        with pytest.raises(JournalError, match="step 7 differs"):
            journal.observe(changed)


def test_a_run_of_version_0_1_is_continued(tmp_path):
    """Its lines have the Jacobian's singular values under a key of their own."""
    spectrum = {"jacobian_spectrum": ARRAYS["jacobian_spectrum"]}
    seen = [Observation(step, 0.0, {}, {"q": np.ones(2)}, spectrum) for step in (0, 1)]
    write(tmp_path, seen[:1], end=False)
    path = tmp_path / JOURNAL
    start, line = map(json.loads, path.read_text().splitlines())
    line["spectra"] = line.pop("arrays")["jacobian_spectrum"]
    path.write_text("".join(json.dumps(part) + "\n" for part in (start, line)))
    with Journal(tmp_path) as journal:
        for observation in seen:
            journal.observe(observation)
        changed = {"jacobian_spectrum": 2 * ARRAYS["jacobian_spectrum"]}
        with pytest.raises(JournalError, match="step 0 differs"):
            journal.observe(Observation(0, 0.0, {}, {"q": np.ones(2)}, changed))
    history = read(tmp_path)
    assert [line["arrays"].keys() for line in history.observations] == [spectrum.keys()] * 2
    found = measurement_columns(history, "jacobian_spectrum")
    assert found["step"].tolist() == [0] * 4 + [1] * 4
    assert found["example"].tolist() == [0, 0, 1, 1] * 2
    assert found["rank"].tolist() == [1, 2] * 4
    assert found["jacobian_spectrum"].tolist() == [2.0, 1.0, 4.0, 1 / 3] * 2


def _hold(folder, pipe):
    with Journal(folder):
        pipe.send("held")
        pipe.recv()


def test_a_lock_keeps_others_out_and_goes_with_its_process(tmp_path):
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(tmp_path, there))
    process.start()
    assert here.recv() == "held"
    with pytest.raises(JournalError, match="another process"):
        Journal(tmp_path)
    process.kill()
    process.join()
    Journal(tmp_path).close()


def test_a_run_that_is_continued_after_its_end_is_running_again(tmp_path):
    with Journal(tmp_path) as journal:
        journal.start(identity="abc", attempt=1, config={})
        journal.end("KILLED")
    assert read(tmp_path).status == "KILLED"
    with Journal(tmp_path) as journal:
        journal.observe(SEEN[0])
    assert read(tmp_path).status == "RUNNING"


def test_a_checkpoint_is_read_back_without_pickles(tmp_path):
    state = {"theta": np.arange(5, dtype=np.float32), "epoch": np.array(3)}
    with Journal(tmp_path) as journal:
        journal.checkpoint(state)
    found = read_checkpoint(tmp_path)
    assert found["theta"].tobytes() == state["theta"].tobytes()
    assert int(found["epoch"]) == 3
    assert read_checkpoint(tmp_path / "elsewhere") is None
    (tmp_path / CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(JournalError, match="damaged"):
        read_checkpoint(tmp_path)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines([b"half", None])
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def _replace_again_and_again(path, letter):
    for size in range(1, 200):
        with replacing(path) as file:
            file.write(letter * size * 100)


def test_processes_that_replace_one_file_take_turns(tmp_path):
    path = tmp_path / "file"
    (tmp_path / "file.tmp").write_bytes(b"left by a killed process" * 10_000)
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=_replace_again_and_again, args=(path, letter))
        for letter in (b"a", b"b", b"c")
    ]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        seen = path.read_bytes() if path.exists() else b""
        assert len(set(seen)) <= 1
        assert len(seen) % 100 == 0
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("harm", ["cut", "flip"])
def test_a_damaged_checkpoint_is_reported(tmp_path, harm):
    with Journal(tmp_path) as journal:
        journal.checkpoint({"theta": np.arange(1000.0)})
    path = tmp_path / CHECKPOINT
    whole = bytearray(path.read_bytes())
    if harm == "cut":
        del whole[len(whole) // 2 :]
    else:
        whole[len(whole) // 2] ^= 255
    path.write_bytes(whole)
    with pytest.raises(JournalError, match="damaged"):
        read_checkpoint(tmp_path)


def test_a_journal_without_its_start_is_damaged_and_left_free(tmp_path):
    write(tmp_path)
    whole = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(whole.partition(b"\n")[2])
    for _ in range(2):  # the first try must not leave the lock behind
        with pytest.raises(JournalError, match=f"{JOURNAL}, line 1: damaged"):
            Journal(tmp_path)
    with pytest.raises(JournalError, match=f"{JOURNAL}, line 1: damaged"):
        first(tmp_path)
    (tmp_path / JOURNAL).write_bytes(whole)
    assert first(tmp_path)["identity"] == "abc"


def test_lines_that_are_json_only_together_are_damaged(tmp_path):
    """A journal is parsed as one array, in which damaged lines must not form valid ones."""
    (tmp_path / JOURNAL).write_text('{"kind":"start","sizes":[2\n3]}\n')
    with pytest.raises(JournalError, match=f"{JOURNAL}, line 1: damaged"):
        read(tmp_path)


def test_a_cost_that_is_not_finite_at_the_end_has_no_final_value():
    """Its last finite value would rank a run that has diverged among the best."""
    seen = [
        {"step": step, "epoch": epoch, "metrics": metrics, "layers": None}
        for step, epoch, metrics in [
            (0, 0.0, {"loss/test": 2.3, "accuracy/test": 0.1}),
            (7, 1.0, {"loss/test": 0.4, "accuracy/test": 0.9}),
            (10, 1.5, {}),
            (14, 2.0, {"loss/test": math.nan, "accuracy/test": 0.1}),
        ]
    ]
    final = final_metrics(History(observations=seen))
    assert final == {"accuracy/test": 0.1}
    assert final_metrics(History(observations=seen[:-1]))["loss/test"] == 0.4


def test_final_metrics_are_those_of_the_runs_task():
    """R2 of outputs that are not finite is no number, as a cost is not."""
    seen = [
        {"step": step, "epoch": step / 7, "metrics": metrics, "layers": None}
        for step, metrics in [
            (0, {"loss/test": 2.3, "r2/test": -1.0, "mse/test": 1.1}),
            (7, {"loss/test": 2.2, "r2/test": 0.4, "mse/test": -math.inf}),
        ]
    ]
    start = {"task": "regression"}
    assert final_metrics(History(start, seen)) == {"r2/test": 0.4, "loss/test": 2.2}
    assert final_metrics(History(observations=seen)) == {"loss/test": 2.2}
    seen[1]["metrics"]["r2/test"] = math.nan
    assert final_metrics(History(start, seen)) == {"loss/test": 2.2}
