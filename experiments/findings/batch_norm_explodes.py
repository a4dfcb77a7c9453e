"""What experiments/README.md says of `batch_norm_explodes`, computed from its runs."""

from itertools import product

import numpy as np
from check import at_best, forecast_score, over_depths, table

from bpexp.nn import Choice
from bpexp.theory import batch_norm_growth

DEPTHS = (8, 24, 64)
DEPTH = DEPTHS[-1]


def growth(layers):
    """Return the mean factor of the squared gradient a layer, first and last five left out."""
    own = layers[layers["layer"].between(6, DEPTH - 5)].sort_values("layer")
    steps = own.groupby("run", observed=True)["delta_norm"].agg(
        lambda norms: np.exp(-2 * np.diff(np.log(norms)).mean())
    )
    return steps.mean()


def findings(study):
    by = ["activation", "skip"]
    yield over_depths(study.at_best_rate(*by, "depth"), by, at_best)
    rows = []
    for name in ("tanh", "relu"):
        chosen = f"activation == '{name}' and skip == 'none' and depth == {DEPTH}"
        measured, predicted = (growth(rows.query(chosen)) for rows in (study.start, study.theory))
        large = batch_norm_growth(Choice(name))
        rows.append([name, f"{measured:.3f}", f"{predicted:.3f}", f"{large:.3f}"])
    yield table("growth a layer | measured | theory, this batch | theory, large batch", rows)
    runs = study.runs.drop_duplicates([*by, "depth", "seed"])  # the rates share a start
    first = runs.groupby([*by, "depth"], observed=True)["start/gradient_first_to_last"].median()
    rows = [
        [*key, *(f"{first[(*key, depth)]:.3g}" for depth in DEPTHS)]
        for key in product(("tanh", "relu"), ("none", "identity"))
    ]
    yield table("first layer / last, activation | skip | depth 8 | 24 | 64", rows)
    yield forecast_score(study.forecast)
