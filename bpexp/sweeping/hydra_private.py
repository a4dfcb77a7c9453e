"""The parts of Hydra that are not public, each with the reason for its use.

They are tested with Hydra 1.3.8 and 1.4.0rc3 (tests/sweeping/test_hydra_versions.py). A release
that moves one of them breaks this file only.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import NoReturn

from hydra.core.plugins import Plugins

from bpexp.errors import ConfigError

Plugins.instance()  # must precede the import of BasicSweeper, which discovers plugins

# Its method split_arguments expands the grid of `-m`; Hydra has no public function for this.
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # noqa: E402

__all__ = ["BasicSweeper", "flag_parser"]


def flag_parser() -> ArgumentParser:
    """Return the parser of Hydra's command-line flags.

    `hydra.main` parses `sys.argv` itself and offers no public way to separate flags from overrides.
    """
    from hydra._internal.utils import get_args_parser

    parser: ArgumentParser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]  # argparse would print its usage
    return parser


def _refuse(message: str) -> NoReturn:
    raise ConfigError(f"{message}; python -m bpexp --hydra-help explains the flags")
