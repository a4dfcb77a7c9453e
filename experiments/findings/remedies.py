"""What experiments/README.md says of `remedies`, computed from what its script found."""

import numpy as np
import pandas as pd
from check import table

from bpexp.analysis.averages import SHARE, interval
from bpexp.remedying.changes import CHANGES, PAIRS

HALF = 2.5  # of the five fresh seeds


def findings(study):
    tried = pd.read_csv(study.root / "runs" / study.name / "remedies.csv")
    configurations = tried.groupby("run", sort=False)
    failed = configurations.filter(lambda own: own["answer"].iloc[0] == "fails")
    first = failed[failed["first"]]
    n, named = failed["run"].nunique(), len(first)
    trains = first["fresh"] > HALF
    yield f"{n} of {study.runs['run'].nunique()} runs do not train"
    yield f"names a change for {share(named, n)}"
    yield f"trains with the fresh seeds for {share(trains.sum(), named)}"
    yield f"changes one key in {(first['keys'] == 1).sum()} of them"
    rows = []
    for kind in [*CHANGES, *map(" + ".join, PAIRS)]:
        own = failed[(failed["kind"] == kind) & (failed["answer"] != "not tried")]
        trained = (own["answer"] == "trains").sum()
        if len(own):
            rows.append([kind, share(trained, len(own)), str((first["kind"] == kind).sum())])
    yield table("change | trains | first", rows)
    rows = []
    for word, own in failed.groupby("why"):
        ours = first[first["run"].isin(own["run"])]
        counts = own["run"].nunique(), len(ours), (ours["fresh"] > HALF).sum()
        rows.append([word, *map(str, counts)])
    rows.sort(key=lambda row: -int(row[1]))
    yield table("verdict | configurations | a change is named | it trains with fresh seeds", rows)
    without = failed[~failed["run"].isin(first["run"]) & (failed["keys"] == 0)]
    large = without["name"].str.endswith("lr3").sum()
    yield f"Of the {len(without)} for which none is named, {large} have lr 3"


def share(count, n):
    """Return a share with Wilson's interval."""
    low, high = interval(np.repeat([1.0, 0.0], [count, n - count]), within=SHARE)
    return f"{count} of {n} ({low:.0%} to {high:.0%})"
