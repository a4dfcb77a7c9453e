"""Settings of the site: `sphinx-build -W --keep-going -b html docs docs/_build`."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import bpexp  # noqa: E402

project = "bpexp"
author = "The bpexp authors"
copyright = "2026, the bpexp authors"
version = release = bpexp.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "bpexp_reference",
    "mathml",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # the studies and CONTRIBUTING.md are included as they are

# `name` in a docstring links to what the reference documents, and is code otherwise.
default_role = "py:obj"
smartquotes = False  # formulas and commands are plain text
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "groupwise"
napoleon_use_ivar = True

html_theme = "furo"
html_title = "bpexp"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
