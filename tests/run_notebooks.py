"""Execute notebooks: `python tests/run_notebooks.py` renews the outputs of those in notebooks/.

Execution times and the interpreter's version are not kept, so that the same numbers give the same
files.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    """Return the code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def studies(notebook):
    """Return the studies that a notebook reads: the values of its names that end in STUDY."""
    source = "\n".join(cell.source for cell in code(notebook))
    return re.findall(r'^\w*STUDY = "(.+?)"', source, re.M)


def execute(notebook, folder):
    """Execute a notebook with `folder` as its current folder."""
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=300,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    notebook.metadata.language_info = {"name": "python"}


if __name__ == "__main__":
    for path in NOTEBOOKS:
        notebook = read(path)
        execute(notebook, FOLDER)
        nbformat.write(notebook, path)
        print(path)
