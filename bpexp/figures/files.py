"""Figures as files: PNG and SVG with their metadata, and the CSV they were drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from bpexp.figures.catalogue import FIGURES
from bpexp.figures.instruments import of_instrument
from bpexp.figures.parts.scores import file_name
from bpexp.figures.parts.style import in_style
from bpexp.figures.processes import spread
from bpexp.record.files import make_folder, replacing

if TYPE_CHECKING:
    from bpexp.results import Tables

# The metadata of an SVG is Dublin Core and holds these keys only; that of a PNG holds any key.
DUBLIN_CORE = {
    *("Title", "Description", "Keywords", "Source", "Creator", "Contributor", "Publisher"),
    *("Rights", "Identifier", "Language", "Relation", "Coverage", "Type", "Format"),
}


def draw_all(
    tables: Tables,
    folder: Path,
    *,
    metadata: Mapping[str, str],
    instruments: Sequence[str] = (),
    jobs: int = 1,
    failed: Callable[[str, Exception], None] | None = None,
) -> list[Path]:
    """Draw FIGURES and instruments as PNG and SVG, each beside the CSV it was drawn from.

    Figures without data are left out. The same tables give the same bytes.

    Args:
        tables: the frames of a sweep or study.
        folder: where to write; made if it is not there.
        metadata: Title, Keywords, Source and others, written into each file: as text chunks of the
            PNG and as Dublin Core of the SVG, where further keys are lines of its Description.
        instruments: names of instruments that are drawn as well.
        jobs: how many processes draw, where processes can be forked.
        failed: called with the name of each figure that cannot be drawn and its exception.

    Returns:
        The PNG files that were written.

    Raises:
        Exception: of the first figure that cannot be drawn, after all others were drawn; only if
            there is no `failed`.
    """
    make_folder(folder)
    figures = FIGURES | dict(of_instrument(name) for name in instruments if name not in FIGURES)
    data = {name: figure.data(tables) for name, figure in figures.items()}
    stems = {name: folder / file_name(name, rows) for name, rows in data.items() if not rows.empty}
    # The largest first, so that the last figures to be drawn are small.
    queue = sorted(stems, key=lambda name: data[name].size, reverse=True)

    def draw(index: int) -> None:
        name = queue[index]
        save(figures[name].draw(data[name]), stems[name], metadata)
        with replacing(stems[name].with_suffix(".csv")) as file:
            file.write(data[name].to_csv(index=False).encode())

    errors = {queue[index]: error for index, error in spread(draw, len(queue), jobs).items()}
    for name, error in errors.items():
        if failed is None:
            raise error
        failed(stems[name].name, error)
    return [stem.with_suffix(".png") for name, stem in stems.items() if name not in errors]


def save(figure: Figure, stem: Path, metadata: Mapping[str, str]) -> None:
    """Write a figure as PNG and SVG with metadata; the same figure gives the same bytes."""
    with in_style():
        # One layout for both files: it costs as much as drawing. The layout engine "none" would be
        # a placeholder that lays out again for each file.
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine(None)
        with replacing(stem.with_suffix(".png")) as file:
            figure.savefig(file, format="png", dpi=150, metadata=dict(metadata))
        with replacing(stem.with_suffix(".svg")) as file:
            figure.savefig(file, format="svg", dpi=150, metadata=_dublin_core(metadata))


def _dublin_core(metadata: Mapping[str, str]) -> dict[str, Any]:
    known = {key: value for key, value in metadata.items() if key in DUBLIN_CORE}
    others = [f"{key}: {value}" for key, value in metadata.items() if key not in DUBLIN_CORE]
    if others:
        known["Description"] = "\n".join([*filter(None, [known.get("Description")]), *others])
    # A date would make the bytes of two equal figures differ.
    return {**known, "Date": None}
