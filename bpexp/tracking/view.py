"""What MLflow shows of a journal: an observation's points, a run's bars, tags and description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bpexp.record.journal import History
from bpexp.record.metrics import (
    final_metrics,
    finite,
    flat_name,
    layer_metrics,
    start_metrics,
    summary_metrics,
)


def shown(line: dict[str, Any]) -> dict[str, float]:
    """Return an observation's finite metrics under the names that MLflow shows."""
    ends = ("grad_norm/first", "grad_norm/last")  # layer_001 and the last layer say the same
    summary = {k: v for k, v in summary_metrics(line).items() if k not in ends}
    return finite(summary | layer_metrics(line))


def bars(history: History) -> dict[str, float]:
    """Return the numbers of a finished run's first and last layers, under the names of bars.

    They wait until it is finished: a run that was stopped may go on, and a point, once written,
    stays.
    """
    if history.status != "FINISHED":
        return {}
    final, start = final_metrics(history), start_metrics(history)
    return {f"final/{flat_name(k)}": v for k, v in final.items()} | {
        f"start/{flat_name(k)}": v for k, v in start.items()
    }


def tags(folder: Path, history: History) -> dict[str, str]:
    """Return what is told of a run that has ended, and that all of it is in the store."""
    end = history.end or {}
    told = ("verdict", "evidence", "diverged_at", "error", "seconds")
    return {key: str(end[key]) for key in told if end.get(key) is not None} | {
        "chance": str(history.start["chance"]),
        "folder": str(folder),
        "mlflow.note.content": describe(history),
        "mirrored": str(history.lines),
    }


def describe(history: History) -> str:
    """Say in a few lines of Markdown what the run is and what became of it."""
    config = history.start["config"]
    layers = "-".join(str(n) for n in history.start["sizes"])
    lines = [
        f"**{history.start['name']}**: {layers} on {config['data']['name']}, "
        f"{config['activation']['name']}, {config['init']['name']}, "
        f"{config['optimizer']['name']} at lr {config['lr']:g}, seed {config['seed']}."
    ]
    if history.end and "verdict" in history.end:
        lines.append(f"Verdict: **{history.end['verdict']}** ({history.end['evidence']}).")
    elif history.end:
        lines.append(f"Status: {history.status}. {history.end.get('error', '')}")
    lines.append("All probes of all layers: artifact `layers.parquet`.")
    return "\n\n".join(lines)
