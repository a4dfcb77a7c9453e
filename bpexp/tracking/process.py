"""Control of the mirror process by the sweep: start, poll, finish, abandon."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bpexp.record.files import space
from bpexp.tracking.client import TRACKING_URI
from bpexp.tracking.failures import LOG


class MirrorProcess:
    """`python -m bpexp.sync --follow`, the only process of a sweep that imports MLflow.

    It mirrors the journals during training and reports its progress on a pipe. Bytes on its
    standard input mean that the sweep has ended.
    """

    def __init__(self, sweep: Path, uri: str | None, root: Path) -> None:
        """Start the process.

        Args:
            sweep: the sweep's sweep.json.
            uri: the address of the tracking store; None for the default store.
            root: the folder that holds runs/.
        """
        command = [sys.executable, "-m", "bpexp.sync", "--follow", str(sweep), "--root", str(root)]
        # Other users of the machine can read arguments, and the address may hold a password.
        environment = os.environ | ({} if uri is None else {TRACKING_URI: uri})
        with space(sweep.parent), (sweep.parent / LOG).open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env=environment,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,  # Ctrl-C signals the sweep only, which ends the mirror
            )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.abandon()
        self._selector.close()
        with suppress(BrokenPipeError), self._process:  # closes the pipes and waits
            pass

    def poll(self) -> list[dict[str, Any]]:
        """Return the messages since the last call, without waiting."""
        messages = []
        while self._selector.select(timeout=0) and (line := self._output.readline()):
            messages.append(json.loads(line))
        return messages

    def finish(self, stopped: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Signal the end of the sweep to the process, and yield its messages until it exits.

        Args:
            stopped: returns whether to abandon the process instead of waiting.
        """
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(b"over")
            self._process.stdin.close()
        while not stopped():
            if self._selector.select(timeout=0.1):
                line = self._output.readline()
                if not line:
                    return
                yield json.loads(line)
        self.abandon()

    def abandon(self) -> None:
        """Kill the process; `python -m bpexp.sync` mirrors the rest later."""
        self._process.kill()
