"""The mirror process of a sweep, seen from the sweep: started, watched, waited for."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bpexp.record.files import space


class MirrorProcess:
    """`python -m bpexp.sync --follow`, the only process of a sweep that imports MLflow.

    It follows the journals while training goes on and tells on a pipe how far it is. A word on its
    standard input tells it that the sweep is over.
    """

    def __init__(self, sweep: Path, uri: str | None, root: Path) -> None:
        """Start it on a sweep's sweep.json."""
        command = [sys.executable, "-m", "bpexp.sync", "--follow", str(sweep), "--root", str(root)]
        if uri is not None:
            command += ["--tracking-uri", uri]
        with space(sweep.parent), (sweep.parent / "mirror.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,  # Ctrl-C is for the sweep: it decides when the mirror ends
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
        self._process.wait()

    def poll(self) -> list[dict[str, Any]]:
        """Return what it has told since the last call, without waiting."""
        messages = []
        while self._selector.select(timeout=0) and (line := self._output.readline()):
            messages.append(json.loads(line))
        return messages

    def finish(self, stopped: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Tell it that the sweep is over and yield what it tells until it ends, or is stopped."""
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
        """End it at once; what it has not mirrored is left to `python -m bpexp.sync`."""
        self._process.kill()
