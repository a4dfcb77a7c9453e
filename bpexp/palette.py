"""The colour and marker of each level of a factor, in every figure and on MLflow's pages."""

from __future__ import annotations

# Any two colours differ by at least 14 in CIELAB, for normal sight and in simulated protanopia,
# deuteranopia and tritanopia (Machado, Oliveira and Fernandes 2009). The marker is a second cue.
ACTIVATIONS: dict[str, tuple[str, str]] = {
    "identity": ("#b0b0b0", "P"),
    "sigmoid": ("#d55e00", "o"),
    "tanh": ("#d55ca0", "s"),
    "softsign": ("#882255", "D"),
    "softplus": ("#7a5c1e", "X"),
    "relu": ("#0072b2", "^"),
    "leaky": ("#56b4e9", "v"),
    "elu": ("#009e73", "<"),
    "selu": ("#332288", ">"),
    "silu": ("#f0a400", "p"),
    "gelu": ("#000000", "h"),
}

# Of levels that are not activations, in their order. They differ from each other as the colours
# above do, and for normal sight by as much from each of those: an initialization never looks like
# an activation.
OTHERS = (
    *("#0093f8", "#6c8600", "#7c2f00", "#b52a49", "#4d58b1", "#ec7669"),
    *("#bdc74c", "#aa749a", "#f9a5ad", "#00d2f2", "#713473"),
)
MARKERS = tuple(marker for _, marker in ACTIVATIONS.values())


def appearance(factor: str, level: object, position: int) -> tuple[str, str]:
    """Return the colour and marker of a level: an activation's own, else one by its position.

    Args:
        factor: the configuration key whose values are the levels.
        level: a value of the key.
        position: the level's index among all levels, from 0.
    """
    own = ACTIVATIONS.get(str(level)) if factor == "activation" else None
    return own or (OTHERS[position % len(OTHERS)], MARKERS[position % len(MARKERS)])
