"""The house: data flows one way, and every import is on that way."""

from __future__ import annotations

import ast
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

import bpexp
from bpexp.version import VERSION

PACKAGE = Path(__file__).parents[1] / "bpexp"

# Each room and the rooms that it may import: the floors of the house from the ground up.
FLOORS = {
    "version": (),
    "secrets": (),
    "errors": ("secrets",),
    "console": ("secrets",),
    "progress": ("console",),
    "palette": (),
    "parameters": ("errors",),
    "nn": (),
    "data": ("parameters", "nn", "errors"),
    "theory": ("nn", "errors"),
    "probes": ("nn",),
    "training": ("progress", "nn", "data", "probes", "errors"),
    "executors": ("errors",),
    "register": ("training", "probes", "data", "nn", "console", "errors"),
    "config": ("executors", "nn", "data", "probes", "training", "parameters", "errors"),
    "analysis": ("config", "nn", "errors"),
    "record": ("training", "probes", "analysis", "config", "data", "nn", "errors", "secrets"),
    "tracking": (
        "register",
        "progress", "console", "palette", "record", "analysis", "config", "nn", "errors",
        "secrets",
    ),
    "entry": (),
    "sync": ("entry",),
    "results": (
        "tracking", "record", "analysis", "config", "theory", "training", "probes", "data", "nn",
        "errors",
    ),
    "figures": ("palette", "results", "record", "analysis", "config", "probes", "nn", "errors"),
    "bridge": (
        "version",
        "figures", "results", "record", "analysis", "config", "training", "probes", "nn", "errors",
    ),
    "report": (
        "version",
        "entry", "references", "figures", "results", "record", "analysis", "config", "theory",
        "probes", "console", "nn", "errors",
    ),
    "sweeping": (
        "version",
        "report", "figures", "results", "tracking", "record", "analysis", "config", "executors",
        "register",
        "theory", "training", "progress", "console", "data", "nn", "errors", "secrets",
    ),
    "remedying": (
        "figures", "record", "analysis", "config", "sweeping", "theory", "training", "progress",
        "data", "nn", "errors",
    ),
    "references": ("theory", "config", "probes"),
    "commands": (
        "remedying", "references", "tracking", "record", "config", "console", "nn", "errors",
    ),
    "remedies": ("entry",),
    "command_line": ("version", "sweeping", "commands", "config", "register", "console", "errors"),
    "__main__": ("entry",),
    "__init__": (
        "version",
        "__main__", "bridge", "register", "remedying", "sweeping", "results", "record", "analysis",
        "training", "probes", "data", "nn", "errors",
    ),
}  # fmt: skip
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def room(path):
    return path.parts[0].removesuffix(".py")


def imports(path):
    """Every module that a file imports, at its top or inside of functions."""
    for node in ast.walk(ast.parse((PACKAGE / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield from (f"{module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_go_one_way(path):
    own = room(path)
    for module in imports(path):
        assert module != "bpexp", f"{path} imports the whole package"
        if module.startswith("bpexp."):
            other = module.split(".")[1]
            assert other == own or other in FLOORS[own], f"{path} imports {module}"


def test_the_plan_has_no_circle():
    placed = set()
    while len(placed) < len(FLOORS):
        ready = {
            name for name, below in FLOORS.items() if name not in placed and placed >= {*below}
        }
        assert ready, FLOORS.keys() - placed
        placed |= ready


def module_of(path):
    return ".".join(("bpexp", *path.with_suffix("").parts)).removesuffix(".__init__")


def test_no_two_files_import_each_other():
    files = {module_of(path): path for path in FILES}
    graph = {
        name: {other for m in imports(path) for other in (m, m.rpartition(".")[0])} & files.keys()
        for name, path in files.items()
        if path.name != "__init__.py"  # the face of a room, which hands names on
    }
    TopologicalSorter(graph).prepare()  # raises a CycleError that names the files


def test_the_version_is_the_same_everywhere():
    root = PACKAGE.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert VERSION == project["version"] == citation["version"] == bpexp.__version__


def test_every_room_is_on_the_plan():
    assert {room(path) for path in FILES} == FLOORS.keys() | {"__init__"}


STANDARD = {
    "__future__", "collections", "contextlib", "dataclasses", "difflib", "functools", "itertools",
    "json", "os", "pathlib", "typing", "math",
}  # fmt: skip


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in ("nn", "theory")], ids=str)
def test_the_kernel_and_theory_import_numpy_alone(path):
    others = {m.split(".")[0] for m in imports(path)} - {*STANDARD, "numpy", "bpexp"}
    # which tells which BLAS NumPy has; without it the kernel works as well
    assert others <= ({"threadpoolctl"} if path.name == "tuning.py" else set())


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_the_mirror_imports_mlflow(path):
    uses = any(module.split(".")[0] == "mlflow" for module in imports(path))
    assert not uses or room(path) in ("tracking",)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_file_has_a_docstring(path):
    assert ast.get_docstring(ast.parse((PACKAGE / path).read_text()))
