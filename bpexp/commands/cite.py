"""`bpexp cite`: the papers behind a configuration, as BibTeX."""

from __future__ import annotations

import argparse

from bpexp.config.grid import configs
from bpexp.config.overrides import override_grid
from bpexp.config.shipped import tree
from bpexp.console import say
from bpexp.references import behind


def add_cite(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="as of a run, or of a sweep: key=a,b"
    )


def cite(options: argparse.Namespace) -> int:
    """Print BibTeX entries of the papers that describe a configuration's methods and its figures.

    Raises:
        ConfigError: an override is not valid.
    """
    values = override_grid(options.overrides, conf=tree("conf"), studies=tree("experiments"))
    papers = behind(config.nested() for config in configs(values))
    say("\n\n".join(paper.bibtex for paper in papers))
    return 0
