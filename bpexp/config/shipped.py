"""Where the files are that ship beside the code: conf/, experiments/ and CITATION.cff."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def tree(name: str) -> Path:
    """Return the path of a shipped file or folder: in a wheel in the package, else beside it."""
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name
