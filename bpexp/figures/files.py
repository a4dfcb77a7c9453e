"""Figures as files: PNG, SVG and PDF with their metadata, and the CSV they were drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from bpexp.config.keys import FORMATS
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
    formats: Sequence[str] = FORMATS[:1],
    vectors: Path | None = None,
    instruments: Sequence[str] = (),
    jobs: int = 1,
    failed: Callable[[str, Exception], None] | None = None,
) -> list[Path]:
    """Write FIGURES and figures of instruments as files, and the data of each as CSV.

    Figures without data are left out. The same tables give the same bytes.

    Args:
        tables: the frames of a sweep or study.
        folder: the folder to write to; created if it does not exist.
        metadata: Title, Keywords, Source and others, written into each file: as text chunks of a
            PNG, as the information of a PDF, which holds Title and Keywords only, and as Dublin
            Core of an SVG, where further keys are lines of the Description.
        formats: some of FORMATS.
        vectors: a folder for an additional SVG of each figure; None for none.
        instruments: names of instruments to draw.
        jobs: the number of processes that draw, if processes can be forked.
        failed: called with the name of each figure that cannot be drawn, and its exception.

    Returns:
        The CSV files of the figures that were drawn.

    Raises:
        Exception: the first exception of a figure, after all figures were tried; only if `failed`
            is None.
    """
    make_folder(folder)
    figures = FIGURES | dict(of_instrument(name) for name in instruments if name not in FIGURES)
    data = {name: figure.data(tables) for name, figure in figures.items()}
    stems = {name: folder / file_name(name, rows) for name, rows in data.items() if not rows.empty}
    # Large figures are drawn first, so that the processes end at about the same time.
    queue = sorted(stems, key=lambda name: data[name].size, reverse=True)

    def draw(index: int) -> None:
        name = queue[index]
        stem = stems[name]
        files = [stem.with_suffix(f".{form}") for form in formats]
        vector = [] if vectors is None else [vectors / f"{stem.name}.svg"]
        save(figures[name].draw(data[name]), [*files, *vector], metadata)
        with replacing(stem.with_suffix(".csv")) as file:
            file.write(data[name].to_csv(index=False).encode())

    errors = {queue[index]: error for index, error in spread(draw, len(queue), jobs).items()}
    for name, error in errors.items():
        if failed is None:
            raise error
        failed(stems[name].name, error)
    return [stem.with_suffix(".csv") for name, stem in stems.items() if name not in errors]


def save(figure: Figure, files: Sequence[Path], metadata: Mapping[str, str]) -> None:
    """Write a figure with metadata in the formats of the files' suffixes.

    A PNG has 300 pixels an inch. The same figure gives the same bytes.
    """
    with in_style():
        # The layout takes as long as drawing, so it is computed once for all files. With the layout
        # engine "none" matplotlib would compute it again for each file.
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine(None)
        for path in files:
            form = path.suffix[1:]
            with replacing(path) as file:
                figure.savefig(file, format=form, metadata=_METADATA[form](metadata))


def _dublin_core(metadata: Mapping[str, str]) -> dict[str, Any]:
    known = {key: value for key, value in metadata.items() if key in DUBLIN_CORE}
    others = [f"{key}: {value}" for key, value in metadata.items() if key not in DUBLIN_CORE]
    if others:
        known["Description"] = "\n".join([*filter(None, [known.get("Description")]), *others])
    # A date would make the bytes of two equal figures differ.
    return {**known, "Date": None}


def _information(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the information of a PDF, which holds few keys, without a date."""
    known = {key: metadata[key] for key in ("Title", "Keywords") if key in metadata}
    return {**known, "CreationDate": None}


_METADATA: dict[str, Callable[[Mapping[str, str]], dict[str, Any]]] = {
    "png": dict,
    "svg": _dublin_core,
    "pdf": _information,
}
