"""The plan of a sweep: its runs, those to train, and their stacks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bpexp.config import Config
from bpexp.config.identity import differing
from bpexp.nn.choices import Value
from bpexp.record.finished import listed
from bpexp.record.layout import RUNS, attempt_folder
from bpexp.sweeping.grouping import stacks
from bpexp.sweeping.member import Member, dataset, is_finished, registered_in


@dataclass(frozen=True)
class Plan:
    """A sweep: its members in the order of the grid, and the stacks to train."""

    members: tuple[Member, ...]
    stacks: tuple[tuple[Member, ...], ...]


def make_plan(configs: Sequence[Config], root: Path, program: str = "") -> Plan:
    """Find the folder and state of each run, and group the runs to train into stacks.

    Args:
        configs: the runs.
        root: the folder that holds runs/.
        program: the path of the script that calls `bpexp.main`; empty without such a script.

    Raises:
        ConfigError: a configuration does not fit its data.
        DataError: a data set cannot be read.
    """
    names = name_runs(configs)
    members: dict[str, Member] = {}
    studies = {config.study: root / RUNS / config.study for config in configs}
    # One listing of the folder replaces a system call or more for each run that has not begun.
    known = {study: listed(folder) for study, folder in studies.items()}
    for config, name in zip(configs, names, strict=True):
        data = dataset(config)
        config.check(data)
        identity = config.identity(data.digest)
        if identity not in members:  # configurations of equal identity are one run
            needed = any(not row.package for row in registered_in(config))
            study = studies[config.study]
            member = _member(config, identity, name, study, *known[config.study])
            members[identity] = replace(member, program=program if needed else "")
    return Plan(tuple(members.values()), stacks([m for m in members.values() if not m.finished]))


def _member(
    config: Config,
    identity: str,
    name: str,
    study: Path,
    begun: Collection[str],
    finished: Collection[str],
) -> Member:
    """Return a run with its state.

    Args:
        config: the run's configuration.
        identity: its identity.
        name: its name.
        study: its study's folder.
        begun: the names of all entries of this folder.
        finished: the names of the run folders that are listed as finished.
    """
    attempt = 1
    while attempt_folder(study, identity, attempt + 1).name in begun:
        attempt += 1
    folder = attempt_folder(study, identity, attempt)
    if config.force and is_finished(folder):
        attempt += 1
        folder = attempt_folder(study, identity, attempt)
    member = Member(config, identity, attempt, folder, name, finished=False, epoch=0)
    if folder.name in finished and not config.force:
        return replace(member, finished=True, epoch=config.epochs)
    return member.refreshed() if folder.name in begun else member


_SHORT = {"depth": "d", "width": "w", "lr": "lr", "seed": "s", "batch_size": "b", "epochs": "e"}
_BARE = ("data", "activation", "init", "cost", "optimizer", "schedule", "stop", "dtype")


def varied(plan: Plan) -> list[str]:
    """Return the keys that determine numbers and differ between the members."""
    return differing([member.config.flat() for member in plan.members])


def name_runs(configs: Sequence[Config]) -> list[str]:
    """Return a name for each run, of activation, depth and other keys that differ: relu-d8-s0."""
    flats = [config.flat() for config in configs]
    others = [key for key in differing(flats) if key not in ("activation", "depth")]
    shown = ["activation", "depth", *others]
    return ["-".join(_part(key, flat[key]) for key in shown if key in flat) for flat in flats]


def _part(key: str, value: Value) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if key in _BARE:
        return text
    return f"{_SHORT.get(key, key.rpartition('.')[2])}{text}"
