"""Train on so many workers, with nothing beside them: prints the seconds from start to end.

    python workers.py JOBS FOLDER KEY=VALUE,VALUE ...

A sweep does the same, but with two workers its own process imports what draws the figures while
they train, on the same two cores; with one it does so afterwards.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import yaml
from helpers import defaults, train_plan

from bpexp.config import Config
from bpexp.record.history import read
from bpexp.record.layout import JOURNAL
from bpexp.sweeping.plan import make_plan


def span(folder: Path) -> float:
    """Seconds from the first start of a run to the last end."""
    histories = [read(path.parent) for path in (folder / "runs").glob(f"*/*/{JOURNAL}")]
    return max(h.end["time"] for h in histories) - min(h.start["time"] for h in histories)


def main(jobs: int, folder: Path, words: list[str]) -> None:
    swept = dict(word.split("=") for word in words)
    values = [[yaml.safe_load(value) for value in text.split(",")] for text in swept.values()]
    points = [dict(zip(swept, point, strict=True)) for point in product(*values)]
    configs = [Config.of({**defaults(), "jobs": jobs, **point}) for point in points]
    plan = make_plan(configs, folder)
    statuses = train_plan(plan, jobs=jobs, fail_fast=True)
    assert set(statuses.values()) == {"FINISHED"}
    print(span(folder))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
