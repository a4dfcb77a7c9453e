"""`bpexp remedies`: train a run with changes, and print which of them train."""

from __future__ import annotations

import argparse
from pathlib import Path

from bpexp.console import say
from bpexp.record.studies import Study


def add_remedies(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bpexp remedies`."""
    parser.add_argument("study", help="the study's name")
    parser.add_argument("run", help="a run's identity, its first characters, or a name")
    parser.add_argument("--seconds", type=float, default=20.0, help="the time limit (20)")
    parser.add_argument("--seeds", type=int, default=3, help="the number of seeds (3)")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw into a PNG, SVG or PDF")


def remedies(options: argparse.Namespace) -> int:
    """Print the changes that make the run train; the exit code is 1 if there are none.

    Raises:
        BpexpError: there is no such run, or its data have changed.
        ConfigError: an option is out of range.
    """
    run = Study.named(options.study, options.root).find(options.run)
    from bpexp.remedying import remedies as try_changes  # imports pandas and matplotlib

    found = try_changes(run, seconds=options.seconds, seeds=options.seeds, progress=True)
    say(found.text())
    if options.figure is not None:
        found.figure().savefig(options.figure)
    return 0 if found.first else 1
