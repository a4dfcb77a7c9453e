"""`python -m bpexp.sync`: mirror all journals once; restore runs or relocate artifacts."""

from __future__ import annotations

import argparse
import os
import shlex
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from bpexp.console import SafeStream, count_of, say, warn
from bpexp.errors import BpexpError, require_folder
from bpexp.progress import begin
from bpexp.record.layout import JOURNAL, RUNS, SWEEP, SWEEPS
from bpexp.tracking.client import default_uri, require_store
from bpexp.tracking.failures import LOG, is_defect, report, trouble
from bpexp.tracking.follow import connected, follow, mirror_sweep
from bpexp.tracking.relocation import MLRUNS, relocate


def main(arguments: Sequence[str] | None = None) -> int:
    """Mirror the runs that the arguments select; return the exit code, 0 if all were mirrored."""
    parser = argparse.ArgumentParser(
        prog="python -m bpexp.sync",
        description="Mirror the journals below runs/ into MLflow. Repeating it changes nothing.",
    )
    parser.add_argument("study", nargs="?", help="a study; all by default")
    parser.add_argument("run", nargs="?", help="one run of it, by identity")
    parser.add_argument(
        "--tracking-uri",
        metavar="ADDRESS",
        help="the store; by default that of MLFLOW_TRACKING_URI, else sqlite:///mlflow.db in the "
        "root folder. Put an address with a password into MLFLOW_TRACKING_URI: other users of the "
        "machine can read arguments",
    )
    parser.add_argument("--root", type=Path, default=Path(), help="the folder that holds runs/")
    parser.add_argument(
        "--relocate",
        action="store_true",
        help="after the folder was copied or moved: change the paths of the store's artifacts to "
        "this folder",
    )
    parser.add_argument(
        "--restore", action="store_true", help="restore runs that were deleted in MLflow"
    )
    parser.add_argument("--follow", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        require_folder()
        given = options.tracking_uri
        uri = require_store("--tracking-uri", given) if given else default_uri(options.root)
        if options.follow:
            return follow(options.follow, uri, options.root)
        if options.relocate:
            _relocate(uri, options.root)
        return _sync(options.study, options.run, uri, options.root, options.restore)
    except BpexpError as error:
        warn(str(error))
        return 2


def _relocate(uri: str, root: Path) -> None:
    try:
        changed = relocate(uri, root.resolve())
    except (OSError, sqlite3.Error) as error:
        raise _refused(uri, error) from None
    say(f"{changed} studies have their artifacts in {(root / MLRUNS).resolve()} now")


def _sync(study: str | None, run: str | None, uri: str, root: Path, restore: bool) -> int:
    runs = sorted((root / RUNS).glob(f"{study or '*'}/{run or '*'}/{JOURNAL}"))
    sweeps = [] if run else sorted((root / RUNS).glob(f"{study or '*'}/{SWEEPS}/*/{SWEEP}"))
    if not runs:
        raise BpexpError(f"sync: no runs in {root / RUNS / (study or '') / (run or '')}")
    try:
        mirror = connected(uri, root, restore)
    except Exception as error:
        if is_defect(error):
            warn(f"sync: {report(error, root / RUNS / LOG)}")
            return 1
        raise error if isinstance(error, BpexpError) else _refused(uri, error) from None
    pages = dict.fromkeys(path.parents[1] for path in runs)
    failed: set[Path] = set()
    shown: set[str] = set()
    terminal = SafeStream(sys.stderr).isatty()  # a log gets the last line only
    with begin("mirroring", len(runs), "run", shown=terminal) as progress:
        for path in [*runs, *sweeps, *pages]:
            try:
                if path.name == SWEEP:
                    mirror_sweep(mirror, path, without=failed)
                elif path in pages:
                    mirror.study(path)
                else:
                    mirror.run(path.parent)
            except BpexpError as error:
                failed.add(path.parent)
                if str(error) not in shown:  # all runs of a study may raise the same
                    progress.note(str(error))
                shown.add(str(error))
            except Exception as error:
                if not is_defect(error):
                    raise _refused(uri, error) from None
                failed.add(path.parent)
                where = os.path.relpath(path.parent)
                progress.note(f"sync: {where}: {report(error, root / RUNS / LOG)}")
            progress.advance(path.name == JOURNAL)
    mirrored = sum(path.parent not in failed for path in runs)
    say(f"{count_of(mirrored, 'run')} mirrored to {mirror.uri}")
    if mirror.left_deleted:
        say(left_deleted(len(mirror.left_deleted), study))
    return 1 if failed else 0


def left_deleted(number: int, study: str | None) -> str:
    """Return the message about runs that a user deleted in MLflow and that were not restored."""
    command = shlex.join(["python", "-m", "bpexp.sync", "--restore", *([study] if study else [])])
    are = "is" if number == 1 else "are"
    return f"{count_of(number, 'run')} {are} deleted in MLflow; `{command}` restores them"


def _refused(uri: str, error: Exception) -> BpexpError:
    return BpexpError(f"sync: {trouble(error, uri)}")
