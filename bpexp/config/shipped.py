"""Paths of the files that ship with the package: conf/, experiments/ and CITATION.cff."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def tree(name: str) -> Path:
    """Return the path of a shipped file or folder: in a wheel it is inside the package."""
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name
