"""A command that is run to its end, with its time and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from helpers import ROOT


class Timed:
    """A command run to its end in a folder: seconds in all and until a line of its output.

    Attributes:
        folder: where it ran.
        begun: when it was started, in seconds since 1970.
        seconds: from start to end.
        summary: from start to the line that says where the figures lie.
        last: the last line of its output.
        memory: the largest resident set among its processes, bytes.
    """

    def __init__(self, folder: Path, *command: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        path = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
        self.begun = time.time()
        start = time.perf_counter()
        self.summary = 0.0
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                self.last = line
                if line.startswith(b"figures:"):
                    self.summary = time.perf_counter() - start
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.perf_counter() - start
        self.memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        if process.returncode:
            raise RuntimeError(f"{command} exited with {process.returncode}")
