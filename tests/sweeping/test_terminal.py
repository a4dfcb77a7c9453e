"""A sweep in a pseudo-terminal: the state after Ctrl-C and after the terminal is closed."""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import termios
import time

import pytest
from helpers import ROOT

from bpexp.record.history import ends

WORDS = ["width=8", "data.limit=96", "tracking=off", "jobs=1", "checkpoint.seconds=null"]


class PseudoTerminal:
    """A command that is the session leader of a terminal of its own."""

    def __init__(self, folder, *words):
        self.process, self.end = pty.fork()
        if not self.process:  # the new process
            os.chdir(folder)
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
            os.execve(sys.executable, [sys.executable, "-m", "bpexp", *words], environment)
        self.settings = termios.tcgetattr(self.end)
        self.shown = b""

    def until(self, pattern=None, seconds=120):
        """Read until the output has a pattern, or to the end."""
        deadline = time.monotonic() + seconds
        while pattern is None or not re.search(pattern, self.shown):
            assert time.monotonic() < deadline, self.shown.decode()
            if select.select([self.end], [], [], 0.1)[0]:
                try:
                    data = os.read(self.end, 65536)
                except OSError:  # the process has closed it
                    data = b""
                if not data:
                    return
                self.shown += data

    def exit_code(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


@pytest.mark.parametrize("presses", [1, 2])  # the second may come when the first has ended it
def test_ctrl_c_leaves_the_terminal_as_it_was(presses, tmp_path):
    terminal = PseudoTerminal(tmp_path, *WORDS, "epochs=1000000")
    terminal.until(rb"[1-9]\d* of 1000000 epochs")
    os.write(terminal.end, b"\x03")
    terminal.until(rb"stopping at the end of the epoch; a second signal stops at once")
    if presses == 2:
        os.write(terminal.end, b"\x03")
    terminal.until()
    assert termios.tcgetattr(terminal.end) == terminal.settings
    os.close(terminal.end)
    assert terminal.exit_code() == 130
    assert b"\x1b[?25l" not in terminal.shown, "the cursor is hidden"
    if presses == 1:
        assert b"interrupted; the same command continues" in terminal.shown
        (journal,) = tmp_path.glob("runs/bpexp/*/journal.jsonl")
        assert ends(journal.parent)[1]["status"] == "KILLED"


def test_a_terminal_that_is_closed_ends_no_work_but_as_hangup(tmp_path):
    """The kernel sends SIGHUP: training stops at the end of the epoch, and can be continued."""
    terminal = PseudoTerminal(tmp_path, *WORDS, "epochs=1000000")
    terminal.until(rb"[1-9]\d* of 1000000 epochs")
    os.close(terminal.end)
    assert terminal.exit_code() == 129
    (journal,) = tmp_path.glob("runs/bpexp/*/journal.jsonl")
    assert ends(journal.parent)[1]["status"] == "KILLED"
    assert (journal.parent / "checkpoint.npz").exists()
