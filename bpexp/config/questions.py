"""The question of a study."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bpexp.config.shipped import tree

HEADING = re.compile(r"# Question +(.*(?:\n# {3,}\S.*)*)")


def question(study: str, varied: Sequence[str]) -> str:
    """Return the question in a shipped study's file, else one made from the varied keys.

    Args:
        study: the study's name.
        varied: the keys that differ between its runs.
    """
    path = tree("experiments") / f"{study}.yaml"
    found = HEADING.match(path.read_text()) if path.exists() else None
    if found:
        return re.sub(r"\n# +", " ", found[1])
    keys = [key for key in varied if key != "seed"]
    if not keys:
        return "What happens to the gradient, layer by layer, while one network is trained?"
    asked = " and ".join(filter(None, [", ".join(keys[:-1]), keys[-1]]))
    return f"How do the gradient of each layer and the result of training depend on {asked}?"
