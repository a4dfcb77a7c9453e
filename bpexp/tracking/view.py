"""A run in MLflow: its params, metrics, tags, colour and description."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bpexp.analysis.verdict import AXES
from bpexp.config import flatten
from bpexp.config.identity import decides
from bpexp.palette import appearance
from bpexp.record.metrics import finite, flat_name, layer_metrics, summary_metrics
from bpexp.record.order import Place
from bpexp.record.run import Run
from bpexp.tracking.drawing import LAYER_FIGURE

COLOUR = "mlflow.runColor"
NOTE = "mlflow.note.content"  # the tag that MLflow's pages show as the description
LONGEST_PARAM = 6000  # MLflow cuts longer values silently; the whole config is an artifact


def params(start: dict[str, Any]) -> dict[str, str]:
    """Return the keys that decide a run's numbers, with their values as text."""
    flat = flatten(start["config"])
    return {key: str(value)[:LONGEST_PARAM] for key, value in flat.items() if decides(key)}


def place_tags(start: dict[str, Any], place: Place) -> dict[str, str]:
    """Return the tags for a run's sweep, its order in the table of runs, and its colour.

    Colours are those of figures: by activation, or, if it is not swept, by the first swept key.
    A run without a sweep gets no tag `sweep`, so that an existing tag is not overwritten.
    """
    swept = {key: values for key, values in place.swept.items() if key != "seed"}
    factor = "activation" if "activation" in swept or not swept else next(iter(swept))
    level = flatten(start["config"])[factor]
    levels = swept.get(factor, [])
    colour, _ = appearance(factor, level, levels.index(level) if level in levels else 0)
    tags = {COLOUR: colour, "order": place.order, "sweep": place.sweep or ""}
    return {name: value for name, value in tags.items() if value}


def step_metrics(line: dict[str, Any]) -> dict[str, float]:
    """Return the finite metrics of an observation, by MLflow's names."""
    ends = ("grad_norm/first", "grad_norm/last")  # left out: layer_metrics has their values
    summary = {name: value for name, value in summary_metrics(line).items() if name not in ends}
    return finite(summary | layer_metrics(line))


def run_metrics(run: Run) -> dict[str, float]:
    """Return the metrics of a run's row as final/... and start/...; empty unless it is finished.

    Other runs have none, because a stopped run may be continued and MLflow cannot delete a point.
    """
    if not run.finished:
        return {}
    _, final, initial = run.metrics
    return {f"final/{flat_name(name)}": value for name, value in final.items()} | {
        f"start/{flat_name(name)}": value for name, value in initial.items()
    }


def run_tags(run: Run, run_id: str) -> dict[str, str]:
    """Return the tags of a run that has ended.

    Args:
        run: the run on disk.
        run_id: its id in MLflow.
    """
    end = run.end or {}
    names = ("verdict", *AXES, "evidence", "diverged_at", "error", "seconds")
    return {name: str(end[name]) for name in names if end.get(name) is not None} | {
        "task": run.task,
        "chance": str(run.chance),
        "chance/test": str(run.chance_test),
        "folder": str(run.folder),
        NOTE: description(run, run_id),
    }


def artifact(path: str, run_id: str) -> str:
    """Return the address of a run's artifact, relative to MLflow's pages."""
    return f"get-artifact?path={quote(path, safe='')}&run_uuid={run_id}"


def description(run: Run, run_id: str) -> str:
    """Return a run's configuration, verdict and layer figure, as a few lines of Markdown."""
    config = run.start["config"]
    layers = "-".join(str(n) for n in run.start["sizes"])
    lines = [
        f"**{run.start['name']}**: {layers} on {config['data']['name']}, "
        f"{config['activation']['name']}, {config['init']['name']}, "
        f"{config['optimizer']['name']} at lr {config['lr']:g}, seed {config['seed']}."
    ]
    if run.end and "verdict" in run.end:
        axes = [
            f"{name.partition('/')[2].replace('_', ' at ')}: {run.end[name]}"
            for name in AXES
            if name in run.end
        ]
        lines.append("; ".join([f"Verdict: **{run.end['verdict']}**", *axes]))
        lines.append(run.end["evidence"])
    elif run.end:
        lines.append(f"Status: {run.status}. {run.end.get('error', '')}")
    if run.finished:
        lines.append(f"![gradient norm by layer]({artifact(LAYER_FIGURE, run_id)})")
    lines.append("All layer statistics are in the artifact `layers.parquet`.")
    return "\n\n".join(lines)
