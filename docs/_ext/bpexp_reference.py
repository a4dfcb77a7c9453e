"""The directive that writes a table of the reference, and docstrings as reStructuredText."""

from __future__ import annotations

import re
from collections.abc import Iterable

import tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class TableDirective(SphinxDirective):
    """Write one of `tables.TABLES`; each row is a target, as in `#activation-relu`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        name = self.arguments[0]
        if name not in tables.TABLES:
            raise self.error(f"no table {name}; there is {', '.join(tables.TABLES)}")
        content = tables.TABLES[name]()
        group = nodes.tgroup(cols=len(content.columns))
        group += [nodes.colspec(colwidth=width) for width in content.columns.values()]
        group += nodes.thead("", _row(map(_paragraph, content.columns)))
        body = nodes.tbody()
        for key, cells in content.rows.items():
            row = _row([_paragraph(f"`{key}`"), *map(_cell, cells)])
            row["ids"] = [nodes.make_id(f"{name}-{key}")]
            body += row
        group += body
        return [nodes.table("", group, classes=["reference", "colwidths-given"])]


def _row(cells: Iterable[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", cell) for cell in cells))


def _cell(cell: tables.Cell) -> nodes.Node:
    if isinstance(cell, str):
        return _paragraph(cell)
    return nodes.bullet_list("", *(nodes.list_item("", _paragraph(line)) for line in cell))


def _paragraph(text: str) -> nodes.paragraph:
    """Return a paragraph in which text in backticks is code."""
    parts = re.split("`([^`]+)`", text)
    found = [
        nodes.literal(part, part) if i % 2 else nodes.Text(part) for i, part in enumerate(parts)
    ]
    return nodes.paragraph("", "", *found)


def plain(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Make reStructuredText of a docstring, which is plain text with `code` and indented blocks.

    What would be read as markup is escaped. A block that is indented below a colon and an empty
    line, such as an equation, becomes a literal block.
    """
    block: int | None = None  # the indentation of the text above the block that we are in
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if block is not None and (not line or indent > block):
            continue
        block = None
        below = next((later for later in lines[i + 2 :] if later), "")
        is_above = line.endswith(":") and lines[i + 1 : i + 2] == [""]
        if not line.lstrip().startswith((">>>", "...")):
            parts = re.split("(`[^`]+`)", line)
            parts[::2] = [re.sub(r"([*|\\]|(?<=\w)_(?!\w))", r"\\\1", part) for part in parts[::2]]
            lines[i] = "".join(parts)
        if is_above and len(below) - len(below.lstrip()) > indent:
            lines[i] += ":"
            block = indent


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive, and the escape before napoleon reads docstrings."""
    app.add_directive("bpexp-table", TableDirective)
    app.connect("autodoc-process-docstring", plain, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
