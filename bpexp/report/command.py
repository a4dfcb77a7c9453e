"""`python -m bpexp.report STUDY`: draw the figures of a study and write its report."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from bpexp.console import say, warn
from bpexp.errors import BpexpError, StorageError, require_folder
from bpexp.report.study import report_study


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report that the arguments name and return the exit code.

    Codes: 0 done, 1 the disk is full, 2 refused.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bpexp.report",
        description="Write runs/STUDY/report.html, with the figures of all runs of the study.",
    )
    parser.add_argument("study", help="the study's name")
    parser.add_argument("--root", type=Path, default=Path(), help="the folder that holds runs/")
    options = parser.parse_args(arguments)
    try:
        require_folder()
        say(f"report:   {os.path.relpath(report_study(options.study, root=options.root))}")
    except BpexpError as error:
        warn(str(error))
        return 1 if isinstance(error, StorageError) else 2
    return 0
