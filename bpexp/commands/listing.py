"""`bpexp list` and `bpexp show`: studies and runs as text."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from bpexp.config import flatten
from bpexp.console import aligned, say, warn
from bpexp.nn.tasks import TASKS
from bpexp.record.layout import SWEEPS
from bpexp.record.run import Run
from bpexp.record.studies import Study, last_used, size, state, studies
from bpexp.tracking.locks import is_mirrored

UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


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
        body = [run_line(run) for run in found[0].runs]
    else:
        head, left = ["study", "runs", "states", "verdicts", "MLflow", "size", "used"], 1
        body = [study_line(study) for study in found]
    say(*aligned(head, body, {*head[:left], "states", "verdicts", "MLflow"}))
    damaged = [line for study in found for line in study.damaged]
    warn(*damaged)
    return 1 if damaged else 0


def study_line(study: Study) -> list[str]:
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


def run_line(run: Run) -> list[str]:
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


def add_show(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bpexp show`."""
    parser.add_argument("study", help="the study's name")
    parser.add_argument("run", nargs="?", help="a run's identity, its first characters, or a name")


def show(options: argparse.Namespace) -> int:
    """Print the contents of a study, or the configuration and results of one run."""
    study = Study.named(options.study, options.root)
    named = options.run is not None
    say(*(run_text(study.find(options.run)) if named else study_text(study)))
    warn(*study.damaged)
    return 1 if study.damaged else 0


def study_text(study: Study) -> list[str]:
    """Return the lines of `bpexp show STUDY`."""
    states = counted(state(run) for run in study.runs)
    lines = [
        f"study:    {study.name}, {len(study.runs)} runs ({states}), "
        f"{bytes_text(size([study.folder]))}",
        f"folder:   {study.folder}",
    ]
    for sweep in study.sweeps:
        ended = sweep.get("ended")
        lines += [
            "",
            f"sweep:    {sweep['id']}, {len(sweep['members'])} runs, "
            f"started {moment(sweep['time'])}, "
            + (f"ended {moment(ended)}" if ended else "not ended"),
            f"command:  {sweep['command']}",
        ]
        figures = study.folder / SWEEPS / sweep["id"] / "figures"
        if figures.is_dir():
            lines.append(f"figures:  {figures}")
    for metric, runs in by_metric(study.runs).items():
        best = max(runs, key=lambda run: run.score("test"))
        lines += ["", f"best:     {best.start['name']}, {metric} {best.score('test'):.3f} (test)"]
        lines.append(f"          {best.folder}")
    return lines


def run_text(run: Run) -> list[str]:
    """Return the lines of `bpexp show STUDY RUN`."""
    end = run.end or {}
    lines = [
        f"run:      {run.folder.name}, {run.start['name']}",
        f"state:    {state(run)}, {run.metrics.epoch:g} of {run.start['config']['epochs']} epochs",
        f"started:  {moment(run.start['time'])}",
    ]
    if "verdict" in end:
        lines.append(f"verdict:  {end['verdict']} ({end['evidence']})")
    if "error" in end:
        lines.append(f"error:    {end['error']}")
    files = sorted(path.name for path in run.folder.iterdir() if path.is_file())
    lines += [f"files:    {', '.join(files)}", f"          in {run.folder}", "", "metrics"]
    lines += pairs((name, f"{value:.6g}") for name, value in run.metrics.final.items())
    lines += ["", "configuration"]
    lines += pairs((key, str(value)) for key, value in flatten(run.start["config"]).items())
    return lines


def pairs(entries: Iterable[tuple[str, str]]) -> list[str]:
    """Return names and values as two columns."""
    found = list(entries)
    width = max((len(name) for name, _ in found), default=0)
    return [f"  {name:{width}}  {value}" for name, value in found]


def by_metric(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """Return the runs that have a score, by the metric that scores them."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.score("test") == run.score("test"):
            found.setdefault(TASKS[run.task].metric, []).append(run)
    return found


def mirrored(runs: Sequence[Run]) -> str:
    """Return how many of the runs are completely in MLflow: "all", "no", or as "3 of 9"."""
    there = sum(is_mirrored(run.folder) for run in runs)
    if there in (0, len(runs)):
        return "all" if there else "no"
    return f"{there} of {len(runs)}"


def counted(words: Iterable[str]) -> str:
    """Return each word with its number of occurrences, the most frequent first.

    >>> counted(["failed", "finished", "finished"])
    '2 finished, 1 failed'
    """
    return ", ".join(f"{n} {word}" for word, n in Counter(words).most_common()) or "-"


def bytes_text(number: float) -> str:
    """Return a number of bytes with a unit, three digits.

    >>> bytes_text(512), bytes_text(2_300_000)
    ('512 B', '2.3 MB')
    """
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def age(moment: float) -> str:
    """Return the time since a moment as text, such as "3 h ago"."""
    seconds = max(0.0, time.time() - moment)
    for length, unit in UNITS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now"


def moment(seconds: float) -> str:
    """Return a time as text in the local time zone, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
