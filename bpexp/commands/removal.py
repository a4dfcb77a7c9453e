"""`bpexp rm`: delete runs from the disk and from MLflow."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from bpexp.commands.text import bytes_text
from bpexp.console import count_of, say
from bpexp.errors import BpexpError, reason
from bpexp.record.journal import in_use
from bpexp.record.run import Run
from bpexp.record.studies import Study, size


def add_rm(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bpexp rm`."""
    parser.add_argument("study", help="the study's name")
    parser.add_argument(
        "run", nargs="*", help="runs by identity, its first characters or name; all by default"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--tracking-uri", help="the store; by default the current folder's own")
    parser.add_argument("--keep-mlflow", action="store_true", help="delete nothing in MLflow")


def rm(options: argparse.Namespace) -> int:
    """Delete a study or some of its runs: in MLflow first, then the folders.

    Raises:
        BpexpError: there is no such study or run, a process trains one of the runs, confirmation
            needs a terminal, or MLflow does not answer. Then nothing is deleted from the disk.
    """
    study = Study.named(options.study, options.root)
    whole = not options.run
    runs = study.runs if whole else [study.find(text) for text in options.run]
    busy = [run.folder.name for run in runs if in_use(run.folder)]
    if busy:
        raise BpexpError(f"rm: {', '.join(busy[:5])}: in training; stop the sweep first")
    if not options.yes and not _agreed(study, runs, whole, options.keep_mlflow):
        say("nothing was deleted")
        return 1
    stored = 0
    if not options.keep_mlflow:
        stored = _delete_stored(study, None if whole else runs, options.tracking_uri, options.root)
    for folder in [study.folder] if whole else [run.folder for run in runs]:
        shutil.rmtree(folder)
    say(f"deleted {count_of(len(runs), 'run')} of {study.name}, and {stored} in MLflow")
    return 0


def _agreed(study: Study, runs: list[Run], whole: bool, keep: bool) -> bool:
    """Ask the user for confirmation and return the answer.

    Raises:
        BpexpError: standard input is not a terminal.
    """
    folders = [study.folder] if whole else [run.folder for run in runs]
    what = f"{count_of(len(runs), 'run')} of {study.name}" + (" and its sweeps" if whole else "")
    where = f"{bytes_text(size(folders))} on disk" + ("" if keep else ", and in MLflow")
    if not sys.stdin.isatty():
        raise BpexpError(f"rm: would delete {what} ({where}); --yes deletes without asking")
    print(f"delete {what} ({where})? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _delete_stored(study: Study, runs: list[Run] | None, uri: str | None, root: Path) -> int:
    """Delete runs from MLflow, all of the study if None, and return their number.

    Raises:
        BpexpError: MLflow does not answer or refuses.
    """
    from bpexp.tracking.removal import delete

    try:
        return delete(study.name, runs, uri, root)
    except BpexpError:
        raise
    except Exception as error:
        raise BpexpError(
            f"rm: MLflow: {reason(error)}; no folder was deleted; --keep-mlflow deletes the "
            "folders only"
        ) from None
