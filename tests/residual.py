"""Networks with skip connections and norms, for tests: kinds, settings of the oracle, draws."""

from __future__ import annotations

import itertools

import numpy as np

from bpexp.nn import Architecture, Choice, Network

SKIPS = {
    "none": Choice("none"),
    "pre": Choice("identity"),
    "pre by two": Choice("identity", {"every": 2, "scale": "1/sqrt(blocks)"}),
    "post": Choice("identity", {"order": "post", "scale": 0.7}),
    "post by two": Choice("identity", {"order": "post", "every": 2}),
    "full": Choice("identity", {"order": "full", "outer_bias_variance": 0.1}),
    "full by two": Choice(
        "identity", {"order": "full", "every": 2, "scale": 0.5, "outer_weight_variance": 0.8}
    ),
    "rezero": Choice("rezero"),
    "rezero post by two": Choice("rezero", {"order": "post", "every": 2}),
    "fixup": Choice("fixup"),
    "fixup by three": Choice("fixup", {"every": 3}),
}
NORMS = {
    "none": Choice("none"),
    "batch": Choice("batch"),
    "layer": Choice("layer"),
    "rms": Choice("rms"),
    "batch, not affine": Choice("batch", {"affine": False}),
    "layer, not affine": Choice("layer", {"affine": False}),
}
DEPTHS = (1, 2, 10, 30)


def settings(skip, norm, depth):
    """What the oracle takes of a network's skip connections and norm."""
    choice = SKIPS[skip]
    every = choice.parameters.get("every", 2 if choice.name == "fixup" else 1)
    scale = choice.parameters.get("scale", 1.0)
    if scale == "1/sqrt(blocks)":
        scale = max(1, (depth - 1) // every) ** -0.5
    plain = {"none": "none", "fixup": "fixup"}
    order = plain.get(choice.name, choice.parameters.get("order", "pre"))
    return {"order": order, "every": every, "scale": scale, "norm": NORMS[norm].name}


def fitting(skip, depth):
    """The next depth of whole blocks."""
    every = settings(skip, "none", 1)["every"]
    return depth if depth == 0 else depth + (1 - depth) % every


def shape(skip, norm, depth, sizes=(4, 5, 3), **options):
    n_in, width, n_out = sizes
    units = [n_in, *[width] * fitting(skip, depth), n_out]
    return Architecture.dense(units, skip=SKIPS[skip], norm=NORMS[norm], **options)


def draw(skip, norm, depth, *, seed=0, dtype="float64", **options):
    """A network in which nothing is left at the value that it starts from."""
    init = Choice("glorot_normal", {"bias_std": 0.3})
    network = Network.draw(shape(skip, norm, depth, **options), init=init, seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    for arrays in network.parameters:
        for name, array in arrays.items():
            size = {"theta": 0.1, "outer": 0.1, "scale": 0.5}.get(name, 0.3)
            array += (size * rng.standard_normal(array.shape)).astype(dtype)
    return network


def pairs_covered(*factors):
    """Cases in which every pair of values of two factors occurs, greedily."""
    wanted = {
        ((i, a), (j, b))
        for (i, one), (j, other) in itertools.combinations(enumerate(factors), 2)
        for a in one
        for b in other
    }
    while wanted:
        case = dict(min(wanted))
        for place, values in enumerate(factors):
            if place not in case:
                gains = [
                    sum(
                        ((i, case[i]), (place, v)) in wanted or ((place, v), (i, case[i])) in wanted
                        for i in case
                    )
                    for v in values
                ]
                case[place] = values[int(np.argmax(gains))]
        chosen = tuple(case[place] for place in range(len(factors)))
        wanted -= {*itertools.combinations(enumerate(chosen), 2)}
        yield chosen


COVERED = list(pairs_covered(list(SKIPS), list(NORMS)))
FEW = [
    ("none", "batch"),
    ("pre", "layer"),
    ("pre by two", "batch"),
    ("post", "rms"),
    ("post by two", "batch, not affine"),
    ("full", "batch"),
    ("full by two", "layer, not affine"),
    ("rezero", "none"),
    ("rezero post by two", "none"),
    ("fixup", "none"),
    ("fixup by three", "rms"),
]
