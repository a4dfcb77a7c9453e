"""Figures for a page: matplotlib's SVG files as inline SVG, in about a third of their size."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from xml.etree import ElementTree

NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
REFERENCE = re.compile(r"#([\w-]+)")
POINTS = re.compile(r"[\d.]+")
LEFT_OUT = {"metadata", "title", "style"}
# matplotlib sets this by a rule for all elements, which inline would hold for the whole page.
ROOT = 'stroke-linejoin="round"'


@dataclass
class Drawings:
    """The figures of one page, which share a stylesheet.

    Attributes:
        classes: the name of each style that occurs.
    """

    classes: dict[str, str] = field(default_factory=dict)

    @property
    def stylesheet(self) -> str:
        """The rules of the classes that the figures use."""
        return "".join(f".{name}{{{style}}}" for style, name in self.classes.items())

    def add(self, file: Path, description: str) -> str:
        """Return a figure as an `<svg>` element with the role of an image.

        Metadata, elements without content and names that nothing refers to are left out, a style is
        a class, and coordinates have one digit after the point, two in the shapes of markers.

        Args:
            file: an SVG file written by matplotlib.
            description: what it shows, for those who cannot see it.
        """
        root = ElementTree.parse(file).getroot()
        prefix = file.stem
        used = {
            name
            for element in root.iter()
            for key, value in element.attrib.items()
            if key != "id"
            for name in REFERENCE.findall(value)
        }
        inner = "".join(self._write(child, prefix, used, 1) for child in root)
        size = " ".join(
            f'{name}="{float(POINTS.findall(root.attrib[name])[0]) * 4 / 3:.0f}"'
            for name in ("width", "height")
        )
        return (
            f'<svg {size} viewBox="{root.attrib["viewBox"]}" {ROOT} role="img" '
            f'aria-label="{escape(description)}">{inner}</svg>'
        )

    def _write(self, element: ElementTree.Element, prefix: str, used: set[str], digits: int) -> str:
        tag = element.tag.rpartition("}")[2]
        if tag in LEFT_OUT:
            return ""
        digits = 2 if tag == "defs" else digits
        attributes = self._attributes(element, prefix, used, digits)
        if tag in ("text", "tspan"):
            inner = escape(element.text or "", quote=False) + "".join(
                self._write(child, prefix, used, digits) + escape(child.tail or "", quote=False)
                for child in element
            )
        else:
            inner = "".join(self._write(child, prefix, used, digits) for child in element)
            if tag in ("g", "defs") and (not inner or not attributes):
                return inner if tag == "g" else inner and f"<defs>{inner}</defs>"
        return f"<{tag}{attributes}>{inner}</{tag}>" if inner else f"<{tag}{attributes}/>"

    def _attributes(
        self, element: ElementTree.Element, prefix: str, used: set[str], digits: int
    ) -> str:
        found = []
        for key, value in element.attrib.items():
            name = key.rpartition("}")[2]
            if name == "id":
                if value not in used:
                    continue
                value = f"{prefix}-{value}"
            elif name == "style":
                style = _shorter(value).replace("url(#", f"url(#{prefix}-")
                name, value = "class", self.classes.setdefault(style, f"f{len(self.classes)}")
            elif name == "href" or "url(#" in value:
                # An image holds its data; other references are to this file.
                value = value if value.startswith("data:") else value.replace("#", f"#{prefix}-")
            elif name != "space" and not value.startswith("rotate(-0"):
                value = _rounded(value, digits)
            elif name != "space":
                continue
            found.append(f' {name}="{escape(value)}"')
        return "".join(found)


def _rounded(text: str, digits: int) -> str:
    """Return coordinates with fewer digits, on one line."""
    short = NUMBER.sub(lambda m: f"{float(m[0]):.{digits}f}".rstrip("0").rstrip("."), text)
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", short.strip()).replace("-0 ", "0 ")


def _shorter(style: str) -> str:
    return style.strip().replace(": ", ":").replace("; ", ";").replace(", ", ",")
