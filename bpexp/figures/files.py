"""Figures as files: PNG and SVG with their metadata, and the CSV they were drawn from."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from bpexp.figures.catalogue import FIGURES, OCCASIONAL
from bpexp.figures.instruments import of_instrument
from bpexp.figures.scores import file_name
from bpexp.figures.style import in_style
from bpexp.record.files import make_folder, replacing

if TYPE_CHECKING:
    from bpexp.results import Tables

# What SVG's metadata, which is Dublin Core, may hold of what a PNG's text chunks may.
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
) -> list[Path]:
    """Draw FIGURES, OCCASIONAL and instruments as PNG and SVG, each beside its rows as CSV.

    Figures without data are left out. The same tables give the same bytes.

    Args:
        tables: the frames of a sweep or study.
        folder: where to write; made if need be.
        metadata: Title, Keywords, Source and the like, carried in each file: as text chunks of the
            PNG and as Dublin Core of the SVG, where other keys are told in its Description.
        instruments: names of the instruments to draw as well.
        jobs: processes that draw, where processes can be forked.

    Returns:
        The PNG files.
    """
    make_folder(folder)
    chosen = [of_instrument(name) for name in instruments if name not in OCCASIONAL]
    drawings = FIGURES | OCCASIONAL | dict(chosen)
    found = {name: drawing.data(tables) for name, drawing in drawings.items()}
    waiting = [name for name, frame in found.items() if not frame.empty]
    stems = {name: folder / file_name(name, found[name]) for name in waiting}

    def draw(name: str) -> None:
        save(drawings[name].draw(found[name]), stems[name], metadata)
        with replacing(stems[name].with_suffix(".csv")) as file:
            file.write(found[name].to_csv(index=False).encode())

    # The largest first, so that no process is left alone with it.
    _spread(draw, sorted(waiting, key=lambda name: found[name].size, reverse=True), jobs)
    return [stem.with_suffix(".png") for stem in stems.values()]


def _spread(draw: Callable[[str], None], names: Sequence[str], jobs: int) -> None:
    """Draw in this process and in copies of it, which share the tables without a message.

    What a copy did not draw, because it failed or was killed, is drawn again here, where it raises
    what it raised there.
    """
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else methods[0])
    drawn = context.Array("b", len(names), lock=False)
    turns, giver = os.pipe()  # a byte a figure: no lock that a process could take to its grave
    os.write(giver, bytes(range(len(names))))
    os.close(giver)

    def work() -> None:
        while turn := os.read(turns, 1):
            draw(names[turn[0]])
            drawn[turn[0]] = True

    def help_out() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):  # the terminal's reach all; one decides
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with suppress(Exception):
            work()

    copies = min(jobs, len(names)) - 1 if "fork" in methods else 0
    gc.freeze()  # what is here stays: not to be searched for garbage, nor copied for being searched
    helpers = [context.Process(target=help_out) for _ in range(copies)]
    try:
        for helper in helpers:
            helper.start()
        work()
        for helper in helpers:
            helper.join()
    finally:
        os.close(turns)
        gc.unfreeze()
    for index, name in enumerate(names):
        if not drawn[index]:
            draw(name)


def save(figure: Figure, stem: Path, metadata: Mapping[str, str]) -> None:
    """Write a figure as PNG and SVG with metadata; the same figure gives the same bytes."""
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
