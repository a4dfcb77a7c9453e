"""`python -m bpexp.sync`: mirror all journals once, or those of a sweep while it writes them."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpexp.console import ErrorStream, say, warn
from bpexp.errors import BpexpError, reason
from bpexp.record.layout import JOURNAL, RUNS, SWEEP, SWEEPS

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
    except BpexpError:
        raise
    except Exception as error:
        raise _refused(uri, error) from None
    failed = 0
    for path in tqdm(
        [*runs, *sweeps], desc="mirroring", unit="run", disable=None, file=ErrorStream()
    ):
        try:
            if path.name == SWEEP:
                _mirror_sweep(mirror, path)
            else:
                mirror.run(path.parent)
        except BpexpError as error:
            failed += 1
            warn(str(error))
        except Exception as error:
            raise _refused(uri, error) from None
    say(f"{len(runs) - failed} runs mirrored to {mirror.uri}")
    return 1 if failed else 0


def _refused(uri: str | None, error: Exception) -> BpexpError:
    return BpexpError(f"sync: {uri or 'the store'}: {reason(error)}")


def _mirror_sweep(mirror: Mirror, path: Path) -> None:
    """Tag a sweep's members, add its models, and mirror its own run."""
    sweep = json.loads(path.read_text())
    for member in sweep["members"]:
        model = member["identity"] in sweep.get("models", [])
        mirror.run(path.parents[2] / member["folder"], sweep=_tag(sweep), model=model)
    if "ended" in sweep and sweep["multirun"]:
        mirror.sweep(path.parent)


def _tag(sweep: dict[str, Any]) -> str | None:
    """Return the tag `sweep` of a sweep's members; a run alone keeps the tag that it has."""
    return str(sweep["id"]) if sweep["multirun"] else None


def _follow(path: Path, uri: str | None, root: Path) -> int:
    """Follow a sweep until standard input says it is over, then mirror the rest.

    Standard input that closes without a word means that the sweep was killed: the same command
    will start another mirror. Lines on standard output are JSON: {"mirrored", "total", "error"}
    and, last, {"link", "left"}.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # clusters signal every process; the sweep decides
    os.nice(NICENESS)
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print to the log

    def send(**fields: object) -> None:
        print(json.dumps(fields), file=channel, flush=True)

    sweep = json.loads(path.read_text())
    folders = {m["folder"]: path.parents[2] / m["folder"] for m in sweep["members"]}
    left, written = dict(folders), dict.fromkeys(folders, time.monotonic())
    mirror: Mirror | None = None
    pause, error, over = FIRST_PAUSE, None, False
    while True:
        try:
            mirror = mirror or _connect(uri, root)
            for name, folder in list(left.items()):
                live = time.monotonic() - written.get(name, 0.0) > LIVE
                if not (live or over or mirror.ended(folder)):
                    continue
                written[name] = time.monotonic()
                if mirror.run(folder, sweep=_tag(sweep)):
                    del left[name]
                    if over:
                        send(mirrored=len(folders) - len(left), total=len(folders))
            if over:
                _mirror_sweep(mirror, path)
                send(link=mirror.link(sweep["study"]), left=len(left))
                return 0
            pause, error = FIRST_PAUSE, None
        except Exception as failure:
            error = reason(failure)
            send(mirrored=len(folders) - len(left), total=len(folders), error=error)
            mirror = None
            if over:
                return 1
        if select.select([sys.stdin], [], [], POLL if error is None else pause)[0]:
            over = bool(os.read(sys.stdin.fileno(), 64))
            if not over:
                return 1
        pause = min(2 * pause, LONGEST_PAUSE)


def _connect(uri: str | None, root: Path) -> Mirror:
    from bpexp.tracking.client import configure, default_uri
    from bpexp.tracking.mirror import Mirror

    configure()
    return Mirror(uri or default_uri(root), root)
