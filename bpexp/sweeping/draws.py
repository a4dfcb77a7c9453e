"""Simulated draws for figures and frames of theory; workers compute them after training a stack."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import suppress

from bpexp.executors import Interrupt, Report
from bpexp.record.simulated import Simulated, affordable, simulated
from bpexp.sweeping.member import Member, dataset
from bpexp.sweeping.plan import Plan
from bpexp.sweeping.stacks import train_stack
from bpexp.theory import PREDICTED


def assign_draws(plan: Plan) -> frozenset[str]:
    """Return the identities of the runs after which the draws of their networks are simulated.

    Runs with equal networks share one set of draws, which is simulated after the first of them.
    Draws that the study has already are not simulated again. None are simulated if all of them
    together would take more than a few seconds.
    """
    study = plan.members[0].folder.parent
    networks = affordable((_network(member) for member in plan.members), PREDICTED, study)
    waiting = {n for n in networks if not n.file(study, PREDICTED).exists()}
    assigned = set()
    for stack in plan.stacks:
        for member in stack:
            if (network := _network(member)) in waiting:
                waiting.remove(network)
                assigned.add(member.identity)
    return frozenset(assigned)


def train_and_draw(
    assigned: Set[str], members: Sequence[Member], progress: Report, interrupt: Interrupt, /
) -> list[str]:
    """Train a stack as `train_stack` does, then simulate the draws that are assigned to its runs.

    A failure of the draws is ignored, because readers simulate missing draws.
    """
    statuses = train_stack(members, progress, interrupt)
    for member in members:
        if member.identity in assigned and not interrupt.requested:
            with suppress(Exception):
                simulated(_network(member), PREDICTED, member.folder.parent)
    return statuses


def _network(member: Member) -> Simulated:
    return Simulated.of(member.config, dataset(member.config))
