"""What experiments/README.md says of `step_by_step_dead_units`, computed from its runs."""

import math

from check import table


def percent(share):
    """Return a share in whole percent; a half is rounded up."""
    return str(math.floor(100 * share + 0.5 + 1e-9))


def findings(study):
    deep = study.start.query("depth == 8 and layer <= 8")
    dead = deep.groupby(["activation", "width", "layer"], observed=True)["dead"].mean()
    rows = [
        ["relu", str(width), *(percent(dead["relu", width, layer]) for layer in range(1, 9))]
        for width in (2, 8, 32)
    ]
    leaky = dead["leaky"].groupby("layer").max()
    rows.append(["leaky", "2, 8, 32", *(percent(leaky[layer]) for layer in range(1, 9))])
    layers = " | ".join(str(layer) for layer in range(1, 9))
    yield table(f"activation | width | {layers}", rows)
    narrow = study.start.query("depth == 8 and width == 2 and layer == 1 and grad_norm == 0")
    zeros = narrow["activation"].value_counts()
    assert zeros["leaky"] == 0
    yield f"zero in {zeros['relu']} of 5 ReLU networks and in no leaky one"
