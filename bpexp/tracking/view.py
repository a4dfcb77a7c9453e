"""What MLflow shows of a run: metrics at each step, metrics of the run, tags and a description."""

from __future__ import annotations

from typing import Any

from bpexp.analysis.verdict import AXES
from bpexp.record.metrics import finite, flat_name, layer_metrics, summary_metrics
from bpexp.record.run import Run


def step_metrics(line: dict[str, Any]) -> dict[str, float]:
    """Return the finite metrics of an observation, by MLflow's names."""
    ends = ("grad_norm/first", "grad_norm/last")  # grad_norm/layer_001 and the last layer's
    summary = {name: value for name, value in summary_metrics(line).items() if name not in ends}
    return finite(summary | layer_metrics(line))


def run_metrics(run: Run) -> dict[str, float]:
    """Return the metrics of a run's row, as final/... and start/...; empty unless it is finished.

    A run that was stopped may go on, and MLflow cannot delete a point.
    """
    if not run.finished:
        return {}
    _, final, initial = run.metrics
    return {f"final/{flat_name(name)}": value for name, value in final.items()} | {
        f"start/{flat_name(name)}": value for name, value in initial.items()
    }


def run_tags(run: Run) -> dict[str, str]:
    """Return the tags of a run that has ended."""
    end = run.end or {}
    names = ("verdict", *AXES, "evidence", "diverged_at", "error", "seconds")
    return {name: str(end[name]) for name in names if end.get(name) is not None} | {
        "task": run.task,
        "chance": str(run.chance),
        "folder": str(run.folder),
        "mlflow.note.content": description(run),
    }


def description(run: Run) -> str:
    """Return a few lines of Markdown: what the run is and how it ended."""
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
    lines.append("All that was measured of the layers: artifact `layers.parquet`.")
    return "\n\n".join(lines)
