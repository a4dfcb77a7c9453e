"""Figures: functions from tidy frames to a Figure, and the table of those every sweep gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bpexp.figures.gradients import first_layer_by_depth, gradient_by_layer, gradient_heatmap
from bpexp.figures.outcomes import accuracy_by_depth, learning_curves, verdict_map
from bpexp.figures.style import styled
from bpexp.journal import replacing

if TYPE_CHECKING:
    from bpexp.results import Tables

__all__ = [
    "FIGURES",
    "accuracy_by_depth",
    "draw_all",
    "first_layer_by_depth",
    "gradient_by_layer",
    "gradient_heatmap",
    "learning_curves",
    "verdict_map",
]

# file name: the function, the table it is drawn from, and the columns that it takes
FIGURES: dict[str, tuple[Callable[[pd.DataFrame], Figure], str, tuple[str, ...]]] = {
    "gradient_norm_by_layer": (
        gradient_by_layer,
        "layers",
        (
            "run",
            "name",
            "activation",
            "init",
            "depth",
            "seed",
            "step",
            "layer",
            "grad_norm",
            "source",
        ),
    ),
    "first_layer_by_depth": (
        first_layer_by_depth,
        "layers",
        ("run", "name", "activation", "depth", "seed", "step", "layer", "grad_norm", "source"),
    ),
    "accuracy_by_depth": (
        accuracy_by_depth,
        "runs",
        ("run", "name", "activation", "depth", "seed", "accuracy/test", "chance"),
    ),
    "gradient_norm_by_epoch": (
        gradient_heatmap,
        "layers",
        ("run", "name", "epoch", "layer", "grad_norm", "source"),
    ),
    "learning_curves": (
        learning_curves,
        "curves",
        ("run", "name", "activation", "depth", "seed", "epoch", "loss/test", "accuracy/test"),
    ),
    "verdicts": (
        verdict_map,
        "runs",
        ("run", "name", "activation", "init", "depth", "seed", "verdict", "accuracy/test"),
    ),
}


def draw_all(tables: Tables, folder: Path, *, metadata: Mapping[str, str]) -> list[Path]:
    """Draw every figure of FIGURES as PNG and SVG, each beside the CSV that it was drawn from.

    Args:
        tables: the three frames of a sweep or study.
        folder: where to write; made if need be.
        metadata: Title, Keywords, Source and the like, carried in each file.

    Returns:
        The PNG files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, (draw, table, columns) in FIGURES.items():
        frame = getattr(tables, table)[list(columns)]
        with styled():
            _save(draw(frame), folder / name, dict(metadata))
        with replacing(folder / f"{name}.csv") as file:
            file.write(frame.to_csv(index=False).encode())
        written.append(folder / f"{name}.png")
    return written


def _save(figure: Figure, stem: Path, metadata: dict[str, Any]) -> None:
    FigureCanvasAgg(figure)
    with replacing(stem.with_suffix(".png")) as file:
        figure.savefig(file, format="png", dpi=150, metadata=metadata)
    with replacing(stem.with_suffix(".svg")) as file:
        # without a date the same run draws the same bytes
        figure.savefig(file, format="svg", metadata={**metadata, "Date": None})
