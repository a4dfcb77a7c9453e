"""Reading journals as they grow, and their first and last lines only."""

from __future__ import annotations

import json

import pytest

from bpexp.record import history as module
from bpexp.record.history import TAIL, Follower, JournalError, count_lines, ends, read
from bpexp.record.layout import JOURNAL

START = {"kind": "start", "time": 1, "identity": "a", "attempt": 1, "config": {}}


def seen(step, time=2, size=1):
    values = [0.5] * size
    return {
        "kind": "observation", "time": time, "step": step, "epoch": step / 6,
        "metrics": {}, "layers": {"q": values},
    }  # fmt: skip


def end(status="FINISHED", **fields):
    return {"kind": "end", "time": 9, "status": status, **fields}


def text(*lines):
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def steps(history):
    return [line["step"] for line in history.observations]


def test_a_follower_reads_each_line_once_and_only_what_was_added(tmp_path, monkeypatch):
    parsed = []
    real = module._parse
    monkeypatch.setattr(module, "_parse", lambda *a, **k: parsed.append(len(a[1])) or real(*a, **k))
    path, follower = tmp_path / JOURNAL, Follower(tmp_path)
    assert follower.poll().lines == 0
    with path.open("ab", buffering=0) as file:
        for added in ([START], [seen(0), seen(6)], [], [seen(12)], [end()]):
            file.write(text(*added))
            follower.poll()
            follower.poll()
    assert steps(follower.history) == [0, 6, 12]
    assert (follower.history.lines, follower.history.status) == (5, "FINISHED")
    assert parsed == [1, 2, 1, 1]
    assert count_lines(tmp_path) == 5


def test_a_follower_waits_for_the_rest_of_a_line(tmp_path):
    path, follower = tmp_path / JOURNAL, Follower(tmp_path)
    whole = text(START, seen(0), seen(6))
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        assert follower.poll().lines == whole[:cut].count(b"\n")
    path.write_bytes(whole)
    assert steps(follower.poll()) == [0, 6]


def test_a_follower_continues_where_an_incomplete_line_was_removed(tmp_path):
    path, follower = tmp_path / JOURNAL, Follower(tmp_path)
    path.write_bytes(text(START, seen(0)) + text(seen(6, size=50))[:-9])
    assert steps(follower.poll()) == [0]
    follower.drop()
    with path.open("r+b") as file:  # as `Journal` does when it is opened
        file.truncate(len(text(START, seen(0))))
        file.seek(0, 2)
        file.write(text(seen(6), seen(12)))
    assert steps(follower.poll()) == [6, 12]
    assert (follower.dropped, follower.history.lines) == (1, 4)


@pytest.mark.parametrize("again", [2, 3, 4, 8])
def test_a_follower_starts_again_if_lines_that_it_read_are_gone(tmp_path, again):
    """After a power cut; the file may be shorter, as long, or longer than before."""
    path, follower = tmp_path / JOURNAL, Follower(tmp_path)
    path.write_bytes(text(START, *(seen(step) for step in range(0, 24, 6))))
    follower.poll()
    follower.drop()
    rewritten = [seen(6 * i, time=5) for i in range(again)]
    path.write_bytes(text(START, *rewritten))
    history = follower.poll()
    assert history.observations == rewritten
    assert (follower.dropped, history.lines) == (0, again + 1)


def test_damage_after_the_lines_read_is_reported_with_its_line_each_time(tmp_path):
    path, follower = tmp_path / JOURNAL, Follower(tmp_path)
    path.write_bytes(text(START, seen(0)))
    follower.poll()
    path.write_bytes(text(START, seen(0)) + b"{}\n")
    for _ in range(2):
        with pytest.raises(JournalError, match=f"{JOURNAL}, line 3: damaged"):
            follower.poll()
    assert steps(follower.history) == [0]


LINES = {
    "nothing": (),
    "the start alone": (START,),
    "an observation last": (START, seen(0)),
    "a long observation last": (START, seen(0), seen(6, size=TAIL)),
    "an end": (START, seen(0), end()),
    "an end after a long line": (START, seen(0, size=TAIL), end()),
    "a long end": (START, seen(0), end("FAILED", error="e" * 5 * TAIL)),
    "an end that was not the last": (START, seen(0), end("KILLED"), seen(6)),
    "a long start": ({**START, "name": "n" * 5 * TAIL}, end()),
    "a long start alone": ({**START, "name": "n" * 5 * TAIL},),
}


@pytest.mark.parametrize("torn", [b"", b'{"kind":"obs', b'{"kind":"end"' + b" " * 2 * TAIL])
@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_the_ends_are_those_of_the_whole_journal(tmp_path, lines, torn):
    (tmp_path / JOURNAL).write_bytes(text(*lines) + torn)
    history = read(tmp_path)
    assert history.lines == len(lines)
    assert ends(tmp_path) == (history.start, history.end)


@pytest.mark.parametrize("damage", [b"{}", b'{"kind":"end"}', b"\xff", text(START)[:-1]])
def test_a_damaged_last_line_is_reported(tmp_path, damage):
    (tmp_path / JOURNAL).write_bytes(text(START, seen(0)) + damage + b"\n")
    with pytest.raises(JournalError, match="last line: damaged"):
        ends(tmp_path)
