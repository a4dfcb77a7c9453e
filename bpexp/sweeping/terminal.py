"""Output of a sweep: the results of runs, and tables of runs and of the forecast."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bpexp.analysis.verdict import AXES, gradient_words
from bpexp.console import aligned
from bpexp.errors import ending
from bpexp.nn.tasks import TASKS
from bpexp.record.run import Run

if TYPE_CHECKING:
    import pandas as pd

WIDEST = 10_000  # characters of a line if there is no terminal
ROWS = 50  # further rows are in summary.csv
WORDS = ("verdict", "gradient", "training")
# Columns that are left out in a narrow terminal, in this order, and characters of a value there.
SPARE = ("training", "gradient", "ratio", "seconds", "|dC/dWL|", "|dC/dW1|", "loss")
NARROW = 20


def summary(runs: pd.DataFrame, swept: Sequence[str]) -> str:
    """Return the table of a sweep's runs as text.

    Args:
        runs: as `bpexp.results.load_runs` returns them.
        swept: the keys that differ, which are the first columns.

    Returns:
        A line for each of the first 50 runs, with a column for the primary metric of each task.
        If the terminal is too narrow, long values are cut and columns are left out.
    """
    rows = [{str(k): v for k, v in row.items()} for row in runs.head(ROWS).to_dict("records")]
    tasks = set(runs["task"])
    metrics = [task.metric for name, task in TASKS.items() if name in tasks]
    keys = ["activation", "depth", *[key for key in swept if key not in ("activation", "depth")]]
    head = [
        *keys,
        *metrics,
        "loss",
        "|dC/dW1|",
        "|dC/dWL|",
        "ratio",
        *WORDS,
        "seconds",
    ]
    body = [[*(_text(row.get(key)) for key in keys), *_numbers(row, metrics)] for row in rows]
    width = shutil.get_terminal_size((WIDEST, 0)).columns
    lines = aligned(head, body, {*keys, *WORDS})
    if len(max(lines, key=len)) > width:
        n = len(keys)
        body = [[*(ending(cell, NARROW) for cell in cells[:n]), *cells[n:]] for cells in body]
        lines = aligned(head, body, {*keys, *WORDS})
    for name in SPARE:
        if len(max(lines, key=len)) > width:
            place = head.index(name)
            for cells in (head, *body):
                del cells[place]
            lines = aligned(head, body, {*keys, *WORDS})
    return "\n".join([*lines, *_rest(len(runs), "summary.csv")])


def result(run: Run) -> tuple[str, str, str]:
    """Return the name of a run that has ended, its primary metric and its verdict."""
    metric = TASKS[run.task].metric
    verdict = (run.end or {}).get("verdict") or run.status.lower()
    return str(run.start["name"]), f"{metric} {_score(run.score('test'))}", str(verdict)


def _rest(total: int, file: str) -> list[str]:
    return [f"... and {total - ROWS} more: see {file}"] if total > ROWS else []


def forecasts(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of a forecast as text, with a row for each run."""
    head = ["run", "expected", "chi_1", "deepest", "first/last", "because"]
    body = [
        [
            row["name"],
            {None: "not known", True: "trains", False: "fails"}[row["trains"]],
            _number(row.get("chi_1"), "{:.3g}"),
            _number(row.get("deepest"), "{:.3g}"),
            _number(row.get("first_to_last"), "{:.1e}"),
            row["reason"],
        ]
        for row in rows[:ROWS]
    ]
    lines = aligned(head, body, left={"run", "expected", "because"})
    return "\n".join([*lines, *_rest(len(rows), "forecast.csv")])


def _numbers(row: dict[str, Any], metrics: Sequence[str]) -> list[str]:
    first, last = row.get("start/grad_norm_first"), row.get("start/grad_norm_last")
    ratio = first / last if first and last else None
    return [
        *(_score(row.get(f"{metric}/test")) for metric in metrics),
        _number(row.get("loss/test"), "{:.3g}"),
        _number(first, "{:.1e}"),
        _number(last, "{:.1e}"),
        _number(ratio, "{:.1e}"),
        *_words(row),
        _number(row.get("seconds"), "{:.2f}"),
    ]


def _words(row: dict[str, Any]) -> list[str]:
    """Return verdict (without one the status), gradient and training, "-" if missing."""
    names = ("verdict", *AXES)
    verdict, start, end, training = (
        row[name] if isinstance(row.get(name), str) else "" for name in names
    )
    gradient = gradient_words(start, end, "->")
    return [verdict or str(row.get("status", "")).lower(), gradient or "-", training or "-"]


def _score(value: Any) -> str:
    return _number(value, "{:.3f}" if value is not None and abs(value) < 1000 else "{:.3g}")


def _number(value: Any, form: str) -> str:
    return "-" if value is None or value != value else form.format(value)


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
