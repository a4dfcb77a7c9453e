"""The figure class, and the decorator of figure functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from io import BytesIO
from typing import Any, ParamSpec

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bpexp.analysis.columns import require_columns
from bpexp.errors import ConfigError
from bpexp.figures.parts.look import check_look
from bpexp.figures.parts.style import in_style

P = ParamSpec("P")
SHOWN = 100  # pixels per inch in a notebook; images have twice as many for dense screens


class Drawing(Figure):
    """A matplotlib figure in the style of all figures, in notebooks and in files.

    It is not registered with pyplot, so a notebook shows it only once, as the value of a cell.
    """

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """Write the figure as `Figure.savefig` does: at 300 dpi, with TrueType fonts in a PDF."""
        with in_style():
            super().savefig(fname, **kwargs)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Return the image for IPython, and its width and height."""
        file = BytesIO()
        self.savefig(file, format="png", dpi=2 * SHOWN)
        width, height = (round(SHOWN * inches) for inches in self.get_size_inches())
        return file.getvalue(), {"width": width, "height": height}

    def make_room(self) -> None:
        """Make the figure higher by a legend that is above, and place the legend below the title.

        Constrained layout reserves space for the title or for the legend, not for both. Here it
        reserves space for the title, and its rectangle is reduced by the legend's height.
        """
        for legend in self.legends:
            if legend.get_gid() != "above":
                continue
            width, height = self.get_size_inches()
            added = legend.get_window_extent().height / self.dpi
            height += added
            self.set_size_inches(width, height)
            title, engine = self._suptitle, self.get_layout_engine()  # type: ignore[attr-defined]
            if title is not None and isinstance(engine, ConstrainedLayoutEngine):
                below = 1 - (title.get_window_extent().height / self.dpi + 0.06) / height
                legend.set_bbox_to_anchor((0, 0, 1, below), transform=self.transFigure)
                engine.set(rect=(0, 0, 1, 1 - added / height))


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a figure function: check its arguments, and draw in the style of all figures."""
    own = [
        name
        for name, parameter in inspect.signature(draw).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        check_look(kwargs, own)
        frame: Any = args[0] if args else kwargs.get(own[0])
        require_columns(own[0], frame)
        with in_style():
            try:
                figure = draw(*args, **kwargs)
            except (KeyError, ValueError) as error:
                if frame.empty:
                    raise ConfigError(f"{own[0]}: the data frame has no rows") from None
                if isinstance(error, KeyError):
                    missing = [name for name in error.args[:1] if isinstance(name, str)]
                    require_columns(own[0], frame, missing)
                raise
            if isinstance(figure, Drawing):
                figure.make_room()
            return figure

    return drawn
