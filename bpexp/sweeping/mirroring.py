"""Wait for the mirror at the end of a sweep, and print addresses or the command to mirror later."""

from __future__ import annotations

import shlex
from typing import Any

from bpexp.config import Config
from bpexp.console import count_of, say, warn
from bpexp.progress import begin
from bpexp.secrets import has_secret
from bpexp.sweeping.signals import Signals
from bpexp.tracking.client import TRACKING_URI
from bpexp.tracking.command import left_deleted
from bpexp.tracking.process import MirrorProcess


def await_mirror(mirror: MirrorProcess, runs: int, runtime: Config, signals: Signals) -> None:
    """Wait for the mirror, show its progress, and print the addresses of the runs."""
    label = f"writing {count_of(runs, 'run')} to MLflow"
    last: dict[str, Any] = {}
    interrupt, done = signals.interrupt, 0
    before = interrupt.signal  # the signal that interrupted training; another one stops the mirror
    with begin(label, runs, "run", shown=runtime.progress) as progress:
        for message in mirror.finish(stopped=lambda: interrupt.signal != before):
            last = message
            if "mirrored" in message and "error" not in message:
                progress.advance(message["mirrored"] - done)
                done = message["mirrored"]
    if "charts" in last:
        ui = [f"tracking: {last['ui']}"] if last["ui"] else []
        say(*ui, f"table:    {last['table']}", f"charts:   {last['charts']}")
        if last["deleted"]:
            say(left_deleted(last["deleted"], runtime.study))
    if "charts" not in last or last["error"]:
        left = last.get("left", last.get("total", 0) - last.get("mirrored", 0))
        reason = "stopped" if interrupt.signal != before else "the mirror process died"
        runs_left = count_of(left, "run") if left else "all runs"
        are = "is" if left == 1 else "are"
        line = f"tracking: {last.get('error', reason)}; {runs_left} {are} not mirrored"
        later = f"{line}; to mirror them later: {_sync_command(runtime)}"
        warn(line if last.get("final") else later)


def _sync_command(runtime: Config) -> str:
    """Return the command that mirrors the study later."""
    command = ["python", "-m", "bpexp.sync", runtime.study]
    uri = runtime.tracking.parameters.get("uri")
    if uri and has_secret(str(uri)):
        return f"{TRACKING_URI}=ADDRESS {shlex.join(command)}"
    return shlex.join([*command, *(["--tracking-uri", str(uri)] if uri else [])])
