"""`python -m tests.figures.contact_sheet RUNS... OUT`: all figures of some studies on one picture.

RUNS are folders such as runs/vanishing. Their figures are drawn as a sweep draws them, reduced to
the width of a tile, and named. Nothing is written but OUT.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw

from bpexp.figures import draw_all
from bpexp.record.studies import Study
from bpexp.results import Tables

TILE, GAP, NAME = (720, 560), 12, 18  # pixels


def tiles(folder: Path) -> list[tuple[str, Image.Image]]:
    """Return the figures of a study as small pictures with their names."""
    tables = Tables.of([*Study(folder).loaded()])
    with TemporaryDirectory() as place:
        drawn = draw_all(tables, Path(place), metadata={}, jobs=2)
        found = []
        for file in drawn:
            with Image.open(file.with_suffix(".png")) as image:
                small = image.convert("RGB")
                small.thumbnail(TILE)
            found.append((f"{folder.name}: {file.stem}", small))
        return found


def sheet(pictures: list[tuple[str, Image.Image]]) -> Image.Image:
    """Return one picture of all, in rows."""
    across = max(1, round(math.sqrt(len(pictures))))
    width, height = TILE[0] + GAP, TILE[1] + GAP + NAME
    down = -(-len(pictures) // across)
    whole = Image.new("RGB", (across * width, down * height), "#dddddd")
    pen = ImageDraw.Draw(whole)
    for i, (name, picture) in enumerate(pictures):
        row, column = divmod(i, across)
        pen.text((column * width + 4, row * height + 2), name, fill="black")
        whole.paste(picture, (column * width, row * height + NAME))
    return whole


def main(arguments: list[str]) -> None:
    """Write the sheet."""
    *folders, out = map(Path, arguments)
    pictures = [tile for folder in folders for tile in tiles(folder)]
    sheet(pictures).save(out)
    print(f"{out}: {len(pictures)} figures of {len(folders)} studies")


if __name__ == "__main__":
    main(sys.argv[1:])
