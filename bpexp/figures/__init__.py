"""Figures: functions from tidy frames to a Figure, and the table of those that every sweep gets.

A new figure is one function and one row of FIGURES.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from matplotlib.figure import Figure

from bpexp.figures.frames import at_start, first_layer, measured, numeric, settings
from bpexp.figures.gradients import first_layer_by_depth, gradient_by_layer, gradient_heatmap
from bpexp.figures.layers import (
    accuracy_by_frozen,
    dead_by_rate,
    dying,
    leaving_range,
    prefixed,
    range_by_layer,
    through_training,
    twinned,
    twins_by_layer,
)
from bpexp.figures.maps import SIGMAS, on_the_plane, phase_diagram, trainability_map
from bpexp.figures.outcomes import (
    accuracy_by_depth,
    accuracy_by_setting,
    learning_curves,
    over_depths,
    over_settings,
    paired_accuracy,
    paired_by_depth,
    verdict_map,
)
from bpexp.figures.scales import (
    ERROR,
    RATE,
    decay_rate_by_depth,
    decay_rates,
    jacobian_moments,
    jacobian_spectrum,
    moments,
)
from bpexp.figures.style import in_style
from bpexp.storage import make_folder, replacing

if TYPE_CHECKING:
    from bpexp.results import Tables

__all__ = [
    "FIGURES",
    "OCCASIONAL",
    "Drawing",
    "accuracy_by_depth",
    "accuracy_by_frozen",
    "accuracy_by_setting",
    "dead_by_rate",
    "decay_rate_by_depth",
    "draw_all",
    "first_layer_by_depth",
    "gradient_by_layer",
    "gradient_heatmap",
    "jacobian_moments",
    "jacobian_spectrum",
    "learning_curves",
    "paired_by_depth",
    "phase_diagram",
    "range_by_layer",
    "through_training",
    "trainability_map",
    "twins_by_layer",
    "verdict_map",
]

RUN = ("run", "name", "activation", "init", "depth", "seed")
# What SVG's metadata, which is Dublin Core, may hold of what a PNG's text chunks may.
DUBLIN_CORE = {
    *("Title", "Description", "Keywords", "Source", "Creator", "Contributor", "Publisher"),
    *("Rights", "Identifier", "Language", "Relation", "Coverage", "Type", "Format"),
}


def _all(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def _with_maps(runs: pd.DataFrame) -> pd.DataFrame:
    return runs if numeric(runs) and runs["depth"].nunique() > 1 else runs.head(0)


@dataclass(frozen=True)
class Drawing:
    """A figure and what it is drawn from; called with tables, it draws.

    Attributes:
        draw: from a frame to a figure.
        table: which of the tables: runs, layers, curves, spectra or plane.
        columns: those drawn; the first is what must not be all missing.
        rows: picks or makes the rows drawn; none, where the figure would show nothing.
    """

    draw: Callable[[pd.DataFrame], Figure]
    table: Literal["runs", "layers", "curves", "spectra", "plane"]
    columns: tuple[str, ...]
    rows: Callable[[pd.DataFrame], pd.DataFrame] = _all

    def __call__(self, tables: Tables) -> Figure:
        """Draw the figure from tables."""
        return self.draw(self.data(tables))

    def data(self, tables: Tables) -> pd.DataFrame:
        """Return the rows and columns drawn; empty if there is nothing to draw."""
        frame: pd.DataFrame = getattr(tables, self.table)
        if frame.empty:
            return frame
        rows = self.rows(frame)
        if self.columns[0] not in rows or rows[self.columns[0]].isna().all():
            return frame.head(0)
        columns = dict.fromkeys([*RUN, *settings(rows, ["depth"]), *self.columns])
        return rows[[name for name in columns if name in rows]]


FIGURES: dict[str, Drawing] = {
    "gradient_norm_by_layer": Drawing(
        gradient_by_layer, "layers", ("grad_norm", "step", "layer", "source"), at_start
    ),
    "first_layer_by_depth": Drawing(
        first_layer_by_depth, "layers", ("grad_norm", "step", "layer", "source"), first_layer
    ),
    "decay_rate_by_depth": Drawing(
        decay_rate_by_depth, "layers", (RATE, ERROR, "source"), decay_rates
    ),
    "accuracy_by_depth": Drawing(
        accuracy_by_depth, "runs", ("accuracy/test", "chance"), over_depths
    ),
    "gradient_norm_by_epoch": Drawing(
        gradient_heatmap, "layers", ("grad_norm", "epoch", "layer", "source"), measured
    ),
    "learning_curves": Drawing(
        learning_curves, "curves", ("loss/test", "accuracy/test", "epoch", "cost")
    ),
    "verdicts": Drawing(verdict_map, "runs", ("verdict", "accuracy/test")),
}

# Those that a sweep gets if it has something of their kind: their rows are empty where not.
OCCASIONAL: dict[str, Drawing] = {
    "accuracy_by_setting": Drawing(
        accuracy_by_setting, "runs", ("accuracy/test", "chance"), over_settings
    ),
    "trainability": Drawing(
        trainability_map, "runs", ("accuracy/train", "theory/deepest"), _with_maps
    ),
    "phase_diagram": Drawing(
        phase_diagram, "plane", (SIGMAS[0], SIGMAS[1], "accuracy/train", "source"), on_the_plane
    ),
    "paired_accuracy": Drawing(
        paired_by_depth, "runs", ("difference", "factor", "base"), paired_accuracy
    ),
    "jacobian_spectrum": Drawing(
        jacobian_spectrum, "spectra", ("singular_value", "step", "example", "rank")
    ),
    "jacobian_moments": Drawing(jacobian_moments, "runs", ("value", "moment", "source"), moments),
    "accuracy_by_frozen": Drawing(
        accuracy_by_frozen, "runs", ("accuracy/test", "chance", "frozen"), prefixed
    ),
    "dead_by_rate": Drawing(
        dead_by_rate, "layers", ("dead", "delta_norm", "step", "layer", "source"), dying
    ),
    "range_by_layer": Drawing(
        range_by_layer,
        "layers",
        ("subnormal_share", "zero_share", "q", "delta_norm", "step", "layer", "source"),
        leaving_range,
    ),
    "twins_by_layer": Drawing(
        twins_by_layer, "layers", ("grad_norm", "step", "epoch", "layer", "source"), twinned
    ),
}


def of_probe(probe: str) -> Drawing:
    """Return the figure of one probe, layer by layer through training."""
    draw = partial(through_training, probe=probe)
    return Drawing(draw, "layers", (probe, "epoch", "layer", "source"), measured)


def draw_all(
    tables: Tables,
    folder: Path,
    *,
    metadata: Mapping[str, str],
    probes: Sequence[str] = (),
    jobs: int = 1,
) -> list[Path]:
    """Draw FIGURES, OCCASIONAL and probes as PNG and SVG, each beside the CSV it was drawn from.

    Figures without data are left out. The same tables give the same bytes.

    Args:
        tables: the three frames of a sweep or study.
        folder: where to write; made if need be.
        metadata: Title, Keywords, Source and the like, carried in each file: as text chunks of the
            PNG and as Dublin Core of the SVG, where other keys are told in its Description.
        probes: probes to draw layer by layer through training.
        jobs: processes that draw, where processes can be forked.

    Returns:
        The PNG files.
    """
    make_folder(folder)
    through = {f"{probe}_through_training": of_probe(probe) for probe in probes}
    drawings = FIGURES | OCCASIONAL | through
    found = {name: drawing.data(tables) for name, drawing in drawings.items()}
    waiting = [name for name, frame in found.items() if not frame.empty]

    def draw(names: Sequence[str]) -> None:
        for name in names:
            save(drawings[name].draw(found[name]), folder / name, metadata)
            with replacing((folder / name).with_suffix(".csv")) as file:
                file.write(found[name].to_csv(index=False).encode())

    _spread(draw, waiting, jobs)
    return [(folder / name).with_suffix(".png") for name in waiting]


def _spread(draw: Callable[[Sequence[str]], None], names: Sequence[str], jobs: int) -> None:
    """Draw in this process and in copies of it, which share the tables without a message."""
    if "fork" not in multiprocessing.get_all_start_methods():
        draw(names)
        return
    context = multiprocessing.get_context("fork")
    parts = [names[i::jobs] for i in range(min(jobs, len(names)))]
    helpers = [(part, context.Process(target=draw, args=(part,))) for part in parts[1:]]
    for _, helper in helpers:
        helper.start()
    for part in parts[:1]:
        draw(part)
    for part, helper in helpers:
        helper.join()
        if helper.exitcode:
            draw(part)  # raises here what was raised there


def save(figure: Figure, stem: Path, metadata: Mapping[str, str]) -> None:
    with in_style():
        # laid out once for both files: it costs as much as drawing
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine(None)  # "none" is a placeholder that draws once more a file
        with replacing(stem.with_suffix(".png")) as file:
            figure.savefig(file, format="png", dpi=150, metadata=dict(metadata))
        with replacing(stem.with_suffix(".svg")) as file:
            figure.savefig(file, format="svg", dpi=150, metadata=_dublin_core(metadata))


def _dublin_core(metadata: Mapping[str, str]) -> dict[str, Any]:
    known = {key: value for key, value in metadata.items() if key in DUBLIN_CORE}
    told = [f"{key}: {value}" for key, value in metadata.items() if key not in DUBLIN_CORE]
    if told:
        known["Description"] = "\n".join([*filter(None, [known.get("Description")]), *told])
    # without a date the same tables give the same bytes
    return {**known, "Date": None}
