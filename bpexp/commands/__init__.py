"""The subcommands `bpexp list`, `show`, `rm`, `export`, `remedies` and `cite`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bpexp.commands.archive import add_export, export
from bpexp.commands.cite import add_cite, cite
from bpexp.commands.listing import add_list, list_
from bpexp.commands.remedies import add_remedies, remedies
from bpexp.commands.removal import add_rm, rm
from bpexp.commands.showing import add_show, show
from bpexp.console import say
from bpexp.record.studies import studies

Parser = argparse.ArgumentParser


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        summary: one line of help.
        add: adds the subcommand's arguments to a parser.
        run: runs the subcommand and returns the exit code.
    """

    summary: str
    add: Callable[[Parser], object]
    run: Callable[[argparse.Namespace], int]


COMMANDS: dict[str, Command] = {
    "list": Command("list the studies, or the runs of one", add_list, list_),
    "show": Command("describe a study, or one of its runs", add_show, show),
    "rm": Command("delete a study or some of its runs, in MLflow too", add_rm, rm),
    "export": Command("write a study into a zip file that loads elsewhere", add_export, export),
    "remedies": Command("train a run with changes: which would train?", add_remedies, remedies),
    "cite": Command("print the papers behind a configuration as BibTeX", add_cite, cite),
}


def main(arguments: Sequence[str]) -> int:
    """Run the subcommand `bpexp NAME ...` and return the exit code.

    Args:
        arguments: a name of COMMANDS, then its arguments.
    """
    parser = Parser(prog="bpexp")
    names = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        sub = names.add_parser(name, help=command.summary, description=f"{command.summary}.")
        command.add(sub)
        sub.add_argument(
            "--root",
            type=Path,
            default=Path(),
            metavar="FOLDER",
            help="the folder that holds runs/",
        )
    options = parser.parse_args(arguments)
    return COMMANDS[options.command].run(options)


def completed(line: str) -> bool:
    """Print the completions of the last word of a command line, for a shell.

    Args:
        line: the line up to the cursor; it begins with the program, such as `bpexp` or
            `python my_study.py`.

    Returns:
        Whether the line is a subcommand; if not, the word may also be an override.
    """
    words = [*line.split(), ""] if line.endswith(" ") else line.split()
    program = 2 if words[1:2] and words[1].endswith(".py") else 1
    *before, last = words[program:] or [""]
    if before and before[0] not in COMMANDS:
        return False
    say(" ".join(word for word in _candidates(before) if word.startswith(last)))
    return bool(before)


def _candidates(before: Sequence[str]) -> list[str]:
    """Return the words that may follow: subcommands, then studies, then runs."""
    there = {study.name: study for study in studies(Path())}
    match before:
        case []:
            return list(COMMANDS)
        case [_]:
            return list(there)
        case ["show" | "rm" | "remedies", name, *_] if name in there:
            return [run.folder.name for run in there[name].runs]
    return []
