"""A sweep's own run in MLflow: the swept values, the outcome, and a description with figures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bpexp.analysis.verdict import SHORT_AXES
from bpexp.config import flatten
from bpexp.config.questions import question
from bpexp.nn.tasks import find_task
from bpexp.record.metrics import finite, flat_name
from bpexp.record.run import Run
from bpexp.secrets import without_secrets
from bpexp.tracking.view import LONGEST_PARAM, artifact

# Characters of a description, which MLflow cuts at 8000, and of the command in it.
LONGEST, SHOWN_COMMAND = 7500, 1000
MAIN = ("verdicts", "gradient_norm_by_layer", "score_by_depth", "score_by_setting", "forecast")
REPORT = "report.html"
COUNTS = ("runs/", "verdict/")  # prefixes of the metrics that are numbers of runs


def sweep_params(sweep: Mapping[str, Any]) -> dict[str, str]:
    """Return each swept key with its values in the order given."""
    swept = sweep.get("swept", {}).items()
    return {key: ", ".join(map(str, values))[:LONGEST_PARAM] for key, values in swept}


def sweep_metrics(sweep: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, float]:
    """Return the number of runs by status and verdict, the best score and the forecast's accuracy.

    Args:
        sweep: the sweep's record.
        runs: its members.
    """
    counts = Counter(run.status.lower() for run in runs)
    verdicts = Counter(run.end["verdict"] for run in runs if run.end and "verdict" in run.end)
    values: dict[str, float] = {"runs": len(sweep["members"])}
    of_status, of_verdict = COUNTS
    values |= {f"{of_status}{status}": n for status, n in counts.items()}
    values |= {f"{of_verdict}{word}": n for word, n in verdicts.items()}
    for metric in dict.fromkeys(find_task(run.task).metric for run in runs):
        scores = [run.score("test") for run in runs if find_task(run.task).metric == metric]
        known = [score for score in scores if math.isfinite(score)]
        if known:
            values[f"best/{flat_name(f'{metric}/test')}"] = max(known)
    if "forecast" in sweep:
        values["forecast/accuracy"] = sweep["forecast"]["accuracy"]
    return finite(values)


def sweep_description(
    sweep: Mapping[str, Any], runs: Sequence[Run], folder: Path, run_id: str
) -> str:
    """Return the question, the command, a table of runs and the main figures, as Markdown.

    Args:
        sweep: the sweep's record.
        runs: its members.
        folder: its folder.
        run_id: MLflow's id of its own run, which holds the figures.
    """
    swept = [*sweep.get("swept", {})]
    command = without_secrets(sweep["command"])[:SHOWN_COMMAND]
    lines = [f"**{question(sweep['study'], swept)}**", "", f"`{command}`"]
    if (folder / REPORT).exists():
        lines += ["", f"[Report]({artifact(REPORT, run_id)}): all findings in one file."]
    figures = [f"figures/{name}.png" for name in MAIN]
    shown = [path for path in figures if (folder / path).exists()]
    images = [f"![{Path(path).stem}]({artifact(path, run_id)})" for path in shown]
    table, head = summary_table(runs, swept), 2
    room = LONGEST - sum(len(line) + 2 for line in (*lines, *images))
    kept = len(table)
    while kept > head and sum(len(line) + 1 for line in table[:kept]) > room:
        kept -= 1
    more = [f"\n{len(table) - kept} more runs in `summary.csv`."] if kept < len(table) else []
    return "\n".join([*lines, "", *table[:kept], *more, "", "\n\n".join(images)]).strip()


def summary_table(runs: Sequence[Run], swept: Sequence[str]) -> list[str]:
    """Return the lines of a Markdown table with a row for each run, in the order given."""
    keys = [*dict.fromkeys(["activation", "depth", *swept])]
    metrics = [*dict.fromkeys(find_task(run.task).metric for run in runs)]
    numbers = [*(f"{metric}/test" for metric in metrics), "loss/test", "gradient/first_to_last"]
    head = [*keys, *numbers, "verdict", *(axis.partition("/")[2] for axis in SHORT_AXES)]
    lines = [_row(head), _row(["---"] * len(head))]
    for run in runs:
        flat, end = flatten(run.start["config"]), run.end or {}
        final = run.metrics.final
        lines.append(
            _row(
                [
                    *(str(flat.get(key, "")) for key in keys),
                    *(f"{final[name]:.4g}" if name in final else "" for name in numbers),
                    *(str(end.get(name, "")) for name in ("verdict", *SHORT_AXES)),
                ]
            )
        )
    return lines


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
