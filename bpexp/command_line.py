"""The command line: subcommands, help, and Hydra's entry point with one-line errors."""

from __future__ import annotations

import os
import re
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TextIO, cast

from bpexp.config.shipped import tree
from bpexp.console import SafeStream, say, warn
from bpexp.errors import (
    BpexpError,
    ConfigError,
    StorageError,
    one_of,
    out_of_range,
    require_folder,
)
from bpexp.register import load_plugins

COMPLETION = ("install", "uninstall", "query")  # what Hydra does for a shell
SHELLS = ("bash", "fish", "zsh")


def main() -> int:
    """Run the command line and return the exit code.

    Exit codes: 0 done, 1 a run failed or the disk is full, 2 refused, 128 + N ended by signal N.

    Raises:
        KeyboardInterrupt: Ctrl-C outside training, where bpexp.sweeping.signals handles it.
    """
    try:
        load_plugins()
        return _main(sys.argv[1:])
    except BpexpError as error:
        warn(str(error))
        return 1 if isinstance(error, StorageError) else 2
    except MemoryError as error:
        warn(f"out of memory: {error or 'a smaller network, batch or data set'}")
    except Exception:  # a defect; `warn` removes secrets from the traceback
        warn(traceback.format_exc().rstrip())
    return 1


def _main(arguments: list[str]) -> int:
    if arguments and arguments[0].isalpha():  # neither an override nor a flag
        from bpexp.commands import COMMANDS
        from bpexp.commands import main as command

        if arguments[0] in COMMANDS:
            require_folder()
            return command(arguments)
    if any(argument in ("--help", "-h") for argument in arguments):
        from bpexp.config.help import text

        names = [argument for argument in arguments if not argument.startswith("-")]
        say(text(tree("conf"), names))
        return 0
    if "--version" in arguments:
        from importlib.metadata import version

        from bpexp.version import VERSION

        say(f"bpexp {VERSION} (hydra-core {version('hydra-core')})")
        return 0
    require_folder()
    return _run(arguments)


def _run(arguments: list[str]) -> int:
    """Refuse invalid overrides, then let Hydra compose the configurations and run them."""
    from bpexp.config.parsing import as_text
    from bpexp.sweeping.hydra_private import flag_parser

    arguments = [*map(as_text, arguments)]
    given = flag_parser().parse_intermixed_args(arguments)
    _refuse_flags(given)
    # Hydra's parser accepts consecutive overrides only: it fails on depth=1 -m lr=1.
    flags = [word for word in arguments if word not in given.overrides]
    sys.argv[1:] = [*flags, *given.overrides]
    studies = tree("experiments")
    if given.shell_completion:
        from bpexp.commands import completed

        if given.overrides[0].startswith("query=") and completed(os.environ["COMP_LINE"]):
            return 0
    else:
        _check(given, studies)
    from bpexp.sweeping.hydra import register, register_experiments

    register()
    # Reading all studies takes as long as composing a run, so they are read only if needed.
    if given.shell_completion or _may_name_a_study(arguments):
        register_experiments(studies)
    return _run_hydra()


def _run_hydra() -> int:
    """Call Hydra's entry point and return the exit code; Hydra reads `sys.argv`.

    Raises:
        BpexpError: Hydra cannot compose a configuration, or one is invalid.
    """
    # With this Hydra raises its errors; otherwise it prints them and exits with 1.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    from bpexp.sweeping.hydra import BASE, single

    codes: list[int] = []
    refusals: list[Exception] = []

    def task(composed: DictConfig) -> float | None:
        try:
            outcome = single(composed)
        except (BpexpError, OmegaConfBaseException) as error:
            refusals.append(error)  # Hydra would print a line before an error raised here
            return None
        codes.append(outcome.code)
        return outcome.scores[0]

    try:
        entry: Any = hydra.main(
            config_path=str(tree("conf").resolve()), config_name="config", **BASE
        )
        with redirect_stdout(cast(TextIO, SafeStream(sys.stdout))):  # for --cfg and --info
            entry(task)()
        if refusals:
            raise refusals[0]
    except (HydraException, OmegaConfBaseException) as error:
        raise BpexpError(_reworded(error)) from None
    return max(codes, default=0)


def _refuse_flags(given: Any) -> None:
    """Raise ConfigError for flags that Hydra cannot combine, or on which it fails."""
    if given.experimental_rerun:
        raise ConfigError(
            "--experimental-rerun: no job is stored; repeat the command with force=true"
        )
    if given.shell_completion:
        allowed = [f"{verb}={shell}" for verb in COMPLETION for shell in SHELLS]
        received = " ".join(given.overrides)
        if received not in allowed:
            raise ConfigError(one_of("--shell-completion", received, allowed))
        if received.startswith("query=") and "COMP_LINE" not in os.environ:
            raise ConfigError(f"--shell-completion: {received} is for shells, which set COMP_LINE")
    shows = "--cfg" if given.cfg else "--info" if given.info else ""
    if shows and given.multirun:
        raise ConfigError(f"{shows}: shows one run; leave out -m, and give each key one value")
    if given.resolve and not given.cfg:
        raise ConfigError("--resolve: goes with --cfg")


def _check(given: Any, studies: Path) -> None:
    """Check the overrides; only their syntax if another configuration folder or file is given."""
    from bpexp.config import overrides, parsing

    if given.config_dir and not os.path.isdir(given.config_dir):  # Hydra does not say so
        raise ConfigError(out_of_range("--config-dir", given.config_dir, "a folder"))
    if given.config_path or given.config_name or given.config_dir:
        parsing.parsed(given.overrides)  # only Hydra knows that configuration's keys
        return
    overrides.refuse(
        given.overrides,
        multirun=given.multirun,
        trains=not (given.cfg or given.info),
        conf=tree("conf"),
        studies=studies,
    )


def _may_name_a_study(arguments: list[str]) -> bool:
    others = [word for word in arguments if word not in ("-m", "--multirun")]
    return any("experiment" in word or word.startswith("-") for word in others)


def _reworded(error: Exception) -> str:
    """Return the message of Hydra's composition error in one line."""
    message = str(error)
    if found := re.search(r"[Cc]ould not override '([^'.]*)\.([^']*)'", message):
        group, key = found.groups()
        wrong = "no such key" if group == "hydra" else f"not a parameter of the chosen {group}"
        return f"{group}.{key}: {wrong}"
    if place := getattr(error, "full_key", None):
        line = message.splitlines()[0]
        if found := re.match(r"\w+ raised while resolving interpolation: (.*)", line):
            why = re.sub(r'^\S+\(\) |^"|"$', "", found[1])  # without a function's name, or quotes
            line = f"its interpolation ${{...}} has no value: {why}"
        return f"{place}: {line}"
    return " ".join(message.split())
