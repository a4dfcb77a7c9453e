"""Score `bpexp.remedies` on the runs of the study `remedies` that did not train.

    python -m bpexp -m experiment=remedies && python experiments/remedies.py

Which changes are trained follows from how a run ended, so they are no grid that a YAML file could
list. Run this in the folder that holds runs/. For every configuration that does not train with most
of three seeds it tries the changes, with their time limit of 20 s, and then trains the first one
that trains with five seeds that had no part in the choice, as a study `remedies-first`. What it
finds is written to runs/remedies/remedies.csv, which findings/remedies.py reads, and the figure of
one run to runs/remedies/example.png. A configuration that is in the file already is left out.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd

import bpexp
from bpexp.analysis.scores import scores
from bpexp.config.overrides import override_grid
from bpexp.config.shipped import tree
from bpexp.remedying import Remedies
from bpexp.theory import trained

STUDY, FIRST = "remedies", "remedies-first"
FRESH = range(100, 105)  # seeds
EXAMPLE = {"activation": "sigmoid", "init": "he_normal", "depth": 12, "lr": 0.1}
TABLE = Path("runs") / STUDY / "remedies.csv"


def main() -> None:
    """Try the changes of each run that did not train."""
    runs = bpexp.load_runs(STUDY)
    failed = runs[~trained(scores(runs, "train"), runs["chance"])]
    known = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame({"run": []})
    for _, run in failed.iterrows():
        if run["run"] in {*known["run"]}:
            continue
        found = bpexp.remedies(run)
        own = found.frame().assign(run=run["run"], name=run["name"], why=str(run["verdict"]))
        own["first"] = [found.first is not None and c == found.first.change for c in own["change"]]
        own["fresh"] = own["first"].map({True: fresh(found), False: None})
        known = pd.concat([known, own], ignore_index=True)
        known.to_csv(TABLE, index=False)
        print(f"{run['name']}: {found.first.change if found.first else 'none'}", flush=True)
        if all(run[key] == value for key, value in EXAMPLE.items()):
            found.figure().savefig(TABLE.with_name("example.png"), dpi=150)


def fresh(found: Remedies) -> float | None:
    """Return how many of the fresh seeds train with the first change, or None without one."""
    if found.first is None or found.remedies[0].answer == "trains":
        return None
    words = [word for word in shlex.split(found.first.command)[3:] if word != "-m"]
    values = override_grid(words, conf=tree("conf"), studies=tree("experiments"))
    study = bpexp.sweep(**{**values, "study": FIRST, "seed": FRESH, "progress": False})
    runs = bpexp.load_runs(study)
    return int(trained(scores(runs, "train"), runs["chance"]).sum())


if __name__ == "__main__":
    main()
