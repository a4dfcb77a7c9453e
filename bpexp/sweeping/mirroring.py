"""The end of mirroring: how far it is, where the runs are, or how to mirror them later."""

from __future__ import annotations

import shlex
from typing import Any

from bpexp.config import Config
from bpexp.console import say, warn
from bpexp.progress import begin
from bpexp.secrets import has_secret
from bpexp.sweeping.signals import Signals
from bpexp.tracking.client import TRACKING_URI
from bpexp.tracking.command import left_deleted
from bpexp.tracking.process import MirrorProcess


def await_mirror(mirror: MirrorProcess, runs: int, harness: Config, signals: Signals) -> None:
    """Wait for the mirror, showing its progress, and print where the runs are."""
    label = f"writing {runs} runs to MLflow"
    last: dict[str, Any] = {}
    interrupt, done = signals.interrupt, 0
    before = interrupt.signal  # of an interrupted training, whose end is still to be mirrored
    with begin(label, runs, "run", shown=harness.progress) as progress:
        for message in mirror.finish(stopped=lambda: interrupt.signal != before):
            last = message
            if "mirrored" in message and "error" not in message:
                progress.advance(message["mirrored"] - done)
                done = message["mirrored"]
    if "charts" in last:
        ui = [f"tracking: {last['ui']}"] if last["ui"] else []
        say(*ui, f"table:    {last['table']}", f"charts:   {last['charts']}")
        if last["deleted"]:
            say(left_deleted(last["deleted"], harness.study))
    if "charts" not in last or last["error"]:
        left = last.get("left", last.get("total", 0) - last.get("mirrored", 0))
        reason = "stopped" if interrupt.signal != before else "the mirror process died"
        line = f"tracking: {last.get('error', reason)}; {left or 'all'} runs are not mirrored"
        warn(line if last.get("final") else f"{line}; later: {_sync_command(harness)}")


def _sync_command(harness: Config) -> str:
    """Return the command that mirrors the study later."""
    command = ["python", "-m", "bpexp.sync", harness.study]
    uri = harness.tracking.parameters.get("uri")
    if uri and has_secret(str(uri)):
        return f"{TRACKING_URI}=ADDRESS {shlex.join(command)}"
    return shlex.join([*command, *(["--tracking-uri", str(uri)] if uri else [])])
