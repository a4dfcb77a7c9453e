"""Signals that a process ignores stay ignored during a sweep."""

from __future__ import annotations

import os
import signal

import pytest

from bpexp.sweeping.signals import Signals


@pytest.fixture
def ignored(request):
    old = signal.signal(request.param, signal.SIG_IGN)
    yield request.param
    signal.signal(request.param, old)


@pytest.mark.parametrize("ignored", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM], indirect=True)
def test_what_the_parent_ignores_interrupts_nothing(ignored):
    """A command that is started by `nohup`, or by `command &` in a script, ignores a signal."""
    signals = Signals(ends_process=False)
    with signals.handled():
        os.kill(os.getpid(), ignored)
        assert not signals.interrupt.requested
    assert signal.getsignal(ignored) == signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_what_it_does_not_ignore_stops_the_sweep(number):
    signals, before = Signals(ends_process=False), signal.getsignal(number)
    with signals.handled(), signals.shown_by(lambda line: None):
        os.kill(os.getpid(), number)
        assert signals.interrupt.signal == number
    assert signal.getsignal(number) == before
