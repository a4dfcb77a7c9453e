"""`bpexp list`: the studies, or the runs of one, as a table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bpexp.commands.text import age, bytes_text, counted
from bpexp.console import aligned, say, warn
from bpexp.record.run import Run
from bpexp.record.studies import Study, last_used, size, state, studies
from bpexp.tracking.locks import is_mirrored


def add_list(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bpexp list`."""
    parser.add_argument("study", nargs="?", help="list the runs of this study")


def list_(options: argparse.Namespace) -> int:
    """Print a line for each study, or for each run of one study."""
    found = [Study.named(options.study, options.root)] if options.study else studies(options.root)
    if not found:
        say(f"no runs in {options.root.resolve()}")
        return 0
    if options.study:
        head, left = ["run", "name", "state", "verdict", "score", "epoch", "size", "used"], 4
        body = [_run_line(run) for run in found[0].runs]
    else:
        head, left = ["study", "runs", "states", "verdicts", "MLflow", "size", "used"], 1
        body = [_study_line(study) for study in found]
    say(*aligned(head, body, {*head[:left], "states", "verdicts", "MLflow"}))
    damaged = [line for study in found for line in study.damaged]
    warn(*damaged)
    return 1 if damaged else 0


def _study_line(study: Study) -> list[str]:
    """Return a study's cells of `bpexp list`."""
    return [
        study.name,
        str(len(study.runs)),
        counted(state(run) for run in study.runs),
        counted(run.end["verdict"] for run in study.runs if run.end and "verdict" in run.end),
        mirrored(study.runs),
        bytes_text(size([study.folder])),
        age(max(map(last_used, study.runs), default=study.folder.stat().st_mtime)),
    ]


def _run_line(run: Run) -> list[str]:
    """Return a run's cells of `bpexp list STUDY`."""
    score = run.score("test")
    return [
        run.folder.name,
        run.start["name"],
        state(run),
        (run.end or {}).get("verdict", "-"),
        "-" if score != score else f"{score:.3f}",
        f"{run.metrics.epoch:g}",
        bytes_text(size([run.folder])),
        age(last_used(run)),
    ]


def mirrored(runs: Sequence[Run]) -> str:
    """Return how many of the runs are completely in MLflow: "all", "no", or as "3 of 9"."""
    there = sum(is_mirrored(run.folder) for run in runs)
    if there in (0, len(runs)):
        return "all" if there else "no"
    return f"{there} of {len(runs)}"
