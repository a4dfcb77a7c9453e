"""Progress on each screen: a terminal of several widths, a log, a notebook."""

from __future__ import annotations

import io
import re
import sys
import types

import pytest

from bpexp.console import SafeStream
from bpexp.progress import begin
from bpexp.progress import progress as module
from bpexp.progress.log import Log
from bpexp.progress.state import State, clock
from bpexp.progress.terminal import Terminal

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class TerminalStream(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def now(monkeypatch):
    """The time in seconds, which a test sets."""
    seconds = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: seconds[0])
    return seconds


@pytest.fixture
def stream(monkeypatch):
    stream = TerminalStream()
    monkeypatch.setattr(module, "SafeStream", lambda _: SafeStream(stream))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return stream


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (75, "1:15"), (7265, "2:01:05")]
)
def test_a_clock(seconds, text):
    assert clock(seconds) == text


def test_the_time_left_is_in_proportion_to_the_time_taken(now):
    state = State("training", 40, "epoch", done=10)
    now[0] = 20.0
    assert (state.share, state.taken, state.left) == (0.25, "0:20", "1:00")
    assert State("training", 40, "epoch").left == ""
    assert State("measuring", 0, "epoch").share == 1.0


def test_a_log_has_a_line_every_30_seconds(now, capsys):
    with begin("training 5 runs", 100, "epoch") as progress:
        for second in range(61):
            now[0] = float(second)
            progress.advance()
        progress.note("tracking: no answer")
    assert capsys.readouterr().err.splitlines() == [
        "training 5 runs",
        "training 5 runs: 31 of 100 epochs, about 1:07 left",
        "training 5 runs: 61 of 100 epochs, about 0:38 left",
        "tracking: no answer",
    ]


def test_a_log_that_waits_does_not_repeat_its_label(now, capsys):
    with begin("training", 4, "epoch") as progress:
        now[0] = 31.0
        progress.advance(0)
    assert capsys.readouterr().err.splitlines() == ["training", "training: 0 of 4 epochs"]


def test_nothing_is_shown_unless_asked_for_but_notes(capsys):
    with begin("training", 3, "epoch", shown=False) as progress:
        progress.advance(3)
        progress.result("relu-d2", "accuracy 0.9", "healthy")
        progress.note("a run waits")
    assert capsys.readouterr() == ("", "a run waits\n")


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_terminal_shows_a_bar_and_results_within_its_width(columns, stream, now, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    with begin("training 9 runs", 180, "epoch") as progress:
        now[0] = 5.0
        progress.result("relu-d2", "accuracy 0.967", "healthy")
        progress.result("sigmoid-d8-" + "long" * 40, "accuracy 0.100", "vanishing")
        progress.advance(45)
        drawn = ESCAPES.sub("", stream.getvalue()).splitlines()
        now[0] = 20.0
        progress.advance(135)
    assert all(len(line) <= columns for line in drawn)
    if columns >= 80:
        assert any(re.search("25% .*45 of 180 epochs.* 0:15 left", line) for line in drawn)
        assert any("accuracy 0.967" in line and "healthy" in line for line in drawn)
        last = ESCAPES.sub("", stream.getvalue()).rstrip().splitlines()[-1]
        assert re.search("training 9 runs .*100% +180 of 180 epochs +0:20", last)
    assert "\x1b[?25l" not in stream.getvalue(), "a killed process would leave the cursor hidden"


def test_no_color_leaves_the_colours_out(stream, monkeypatch):
    def drawn():
        stream.truncate(0)
        with begin("training", 2, "epoch") as progress:
            progress.result("relu-d2", "healthy", good=True)
            progress.advance()
        return re.findall(r"\x1b\[[0-9;]*3\d[0-9;]*m", stream.getvalue())

    assert drawn()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not drawn()


def test_a_terminal_without_these_characters_gets_others(stream, monkeypatch):
    monkeypatch.setattr(TerminalStream, "encoding", "ascii")
    with begin("training", 2, "epoch") as progress:
        progress.advance()
    stream.getvalue().encode("ascii")


def test_a_terminal_that_cannot_move_its_cursor_is_a_log(stream, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(module._screen(), Log)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(module._screen(), Terminal)


def test_a_note_that_comes_while_drawing_waits_for_its_end():
    shown = []

    class Screen:
        interval = 0.0

        def draw(self, state):
            shown.append("begin")
            if state.done:
                progress.note("stopping")  # as a signal's handler does
            shown.append("end")

        def close(self, state):
            pass

        def note(self, text):
            shown.append(text)

    with module.Progress(Screen(), "training", 1, "epoch") as progress:
        progress.advance()
    assert shown == ["begin", "end", "begin", "end", "stopping"]


def test_a_notebook_has_one_output_that_changes(monkeypatch, now):
    displayed, updated = [], []

    class Handle:
        def update(self, data, raw):
            updated.append(data)

    def display(data, raw, display_id):
        displayed.append(data)
        return Handle()

    shell = types.SimpleNamespace(kernel=object())
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    monkeypatch.delitem(sys.modules, "bpexp.progress.notebook", raising=False)
    with begin("training 2 runs", 8, "epoch") as progress:
        now[0] = 10.0
        progress.result("<relu>", "accuracy 0.9", "healthy")
        progress.advance(2)
    sys.modules.pop("bpexp.progress.notebook")
    assert len(displayed) == 1
    assert updated[0]["text/plain"] == "training 2 runs: 2 of 8 epochs, 0:30 left"
    assert "<td>&lt;relu&gt;</td><td>accuracy 0.9</td>" in updated[0]["text/html"]
    assert '<progress value="0.250"' in updated[0]["text/html"]
    assert updated[-1]["text/plain"] == "training 2 runs: 2 of 8 epochs"
