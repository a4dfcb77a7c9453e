"""`python -m bpexp.sync`: mirror all journals once, or those of a sweep while it writes them."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.console import SafeStream, say, warn
from bpexp.errors import BpexpError, reason
from bpexp.record.layout import JOURNAL, RUNS, SWEEP, SWEEPS
from bpexp.tracking.failures import LOG, is_defect, report

if TYPE_CHECKING:
    from bpexp.tracking.mirror import Mirror

POLL = 1.0  # seconds between two rounds over the journals of a running sweep
LIVE = 10.0  # seconds between two writes of a run that is still in training
NICENESS = 5  # of a mirror beside training: scheduling priority below that of the other processes
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # after a failure, doubled each time


def main(arguments: Sequence[str] | None = None) -> int:
    """Mirror what the arguments name and return the exit code: 0 if all of it is in the store."""
    parser = argparse.ArgumentParser(
        prog="python -m bpexp.sync",
        description="Mirror the journals below runs/ into MLflow. Doing it twice changes nothing.",
    )
    parser.add_argument("study", nargs="?", help="a study; all by default")
    parser.add_argument("run", nargs="?", help="one run of it, by identity")
    parser.add_argument("--tracking-uri", help="the store; by default the current folder's own")
    parser.add_argument("--root", type=Path, default=Path(), help="the folder that holds runs/")
    parser.add_argument("--follow", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.follow:
        return _follow(options.follow, options.tracking_uri, options.root)
    try:
        return _sync(options.study, options.run, options.tracking_uri, options.root)
    except BpexpError as error:
        warn(str(error))
        return 2
    except KeyboardInterrupt:
        return 130


def _sync(study: str | None, run: str | None, uri: str | None, root: Path) -> int:
    from tqdm import tqdm

    runs = sorted((root / RUNS).glob(f"{study or '*'}/{run or '*'}/{JOURNAL}"))
    sweeps = [] if run else sorted((root / RUNS).glob(f"{study or '*'}/{SWEEPS}/*/{SWEEP}"))
    if not runs:
        raise BpexpError(f"sync: no runs in {root / RUNS / (study or '') / (run or '')}")
    try:
        mirror = _connect(uri, root)
    except Exception as error:
        if is_defect(error):
            warn(f"sync: {report(error, root / RUNS / LOG)}")
            return 1
        raise error if isinstance(error, BpexpError) else _refused(uri, error) from None
    failed: set[Path] = set()
    for path in tqdm(
        [*runs, *sweeps], desc="mirroring", unit="run", disable=None, file=SafeStream()
    ):
        try:
            if path.name == SWEEP:
                _mirror_sweep(mirror, path, without=failed)
            else:
                mirror.run(path.parent)
        except BpexpError as error:
            failed.add(path.parent)
            warn(str(error))
        except Exception as error:
            if not is_defect(error):
                raise _refused(uri, error) from None
            failed.add(path.parent)
            warn(f"sync: {os.path.relpath(path.parent)}: {report(error, root / RUNS / LOG)}")
    say(f"{sum(path.parent not in failed for path in runs)} runs mirrored to {mirror.uri}")
    return 1 if failed else 0


def _refused(uri: str | None, error: Exception) -> BpexpError:
    return BpexpError(f"sync: {uri or 'the store'}: {reason(error)}")


def _mirror_sweep(mirror: Mirror, path: Path, without: Collection[Path]) -> None:
    """Tag a sweep's members, add its models, and mirror its own run.

    Args:
        mirror: of the store.
        path: the sweep's sweep.json.
        without: folders of members that cannot be mirrored.
    """
    sweep = json.loads(path.read_text())
    for member in sweep["members"]:
        model = member["identity"] in sweep.get("models", [])
        folder = path.parents[2] / member["folder"]
        if folder not in without:
            mirror.run(folder, sweep=_tag(sweep), model=model)
    if "ended" in sweep and sweep["multirun"]:
        mirror.sweep(path.parent)


def _tag(sweep: dict[str, Any]) -> str | None:
    """Return the tag `sweep` of a sweep's members; a run alone keeps the tag that it has."""
    return str(sweep["id"]) if sweep["multirun"] else None


def _follow(path: Path, uri: str | None, root: Path) -> int:
    """Follow a sweep until standard input says it is over, then mirror the rest.

    Standard input that closes without a word means that the sweep was killed: the same command
    will start another mirror. Lines on standard output are JSON: {"mirrored", "total", "error"}
    and, last, {"link", "left", "error"}.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # clusters signal every process; the sweep decides
    os.nice(NICENESS)
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print to the log

    def send(**fields: object) -> None:
        print(json.dumps(fields), file=channel, flush=True)

    followed = _Followed(path, send)
    mirror: Mirror | None = None
    pause, troubled, over = FIRST_PAUSE, False, False
    while True:
        try:
            mirror = mirror or _connect(uri, root)
            followed.write(mirror, over)
            if over:
                followed.finish(mirror)
                return 0
            pause, troubled = FIRST_PAUSE, False
        except Exception as error:
            followed.tell(error)
            mirror, troubled = None, True
            if over:
                return 1
        if select.select([sys.stdin], [], [], pause if troubled else POLL)[0]:
            over = bool(os.read(sys.stdin.fileno(), 64))
            if not over:
                return 1
        pause = min(2 * pause, LONGEST_PAUSE)


class _Followed:
    """A sweep that is followed: which of its runs are in the store, and which cannot be."""

    def __init__(self, path: Path, send: Callable[..., None]) -> None:
        """Begin with none of the runs in the store.

        Args:
            path: the sweep's sweep.json.
            send: sends a message to the sweep.
        """
        self._path, self._send = path, send
        self._sweep = json.loads(path.read_text())
        self._left = {m["folder"]: path.parents[2] / m["folder"] for m in self._sweep["members"]}
        self._total = len(self._left)
        self._written = dict.fromkeys(self._left, time.monotonic())
        self._failed: set[Path] = set()
        self._defect: str | None = None  # the first one

    def write(self, mirror: Mirror, over: bool) -> None:
        """Mirror the runs that have ended or were not written for a while; all if it is over.

        A run at which the mirror has a defect is reported and left out from then on.
        """
        for name, folder in list(self._left.items()):
            try:
                live = time.monotonic() - self._written[name] > LIVE
                if not (live or over or mirror.ended(folder)):
                    continue
                self._written[name] = time.monotonic()
                if mirror.run(folder, sweep=_tag(self._sweep)):
                    del self._left[name]
                    if over:
                        self._send(mirrored=self._mirrored, total=self._total)
            except Exception as error:
                if not is_defect(error):
                    raise
                self._failed.add(self._left.pop(name))
                self.tell(error)

    def finish(self, mirror: Mirror) -> None:
        """Mirror the sweep's own run and send the last message."""
        try:
            _mirror_sweep(mirror, self._path, without=self._failed)
        except Exception as error:
            if not is_defect(error):
                raise
            self.tell(error)
        left = len(self._left) + len(self._failed)
        self._send(link=mirror.link(self._sweep["study"]), left=left, error=self._defect)

    def tell(self, error: Exception) -> None:
        """Send the message of an exception; the traceback of a defect goes into the log."""
        told = reason(error)
        if is_defect(error):
            told = report(error, self._path.parent / LOG)
            self._defect = self._defect or told
        self._send(mirrored=self._mirrored, total=self._total, error=told)

    @property
    def _mirrored(self) -> int:
        return self._total - len(self._left) - len(self._failed)


def _connect(uri: str | None, root: Path) -> Mirror:
    from bpexp.tracking.client import configure, default_uri
    from bpexp.tracking.mirror import Mirror

    configure()
    return Mirror(uri or default_uri(root), root)
