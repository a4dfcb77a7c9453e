"""What experiments/README.md says of `forecast_score`, computed from its runs."""

from check import table

REASONS = {
    "deeper than 6 xi_c": "deeper than 6 xi_c",
    "the signal": "the signal vanishes or explodes",
    "too slow": "too slow",
    "lr too large: the cost": "lr too large: the cost rises",
    "lr too large for the depth": "lr too large for the depth",
    "signal and gradient pass": "trains",
}


def findings(study):
    cells = study.forecast
    said = cells["reason"].map(
        lambda reason: next(word for start, word in REASONS.items() if reason.startswith(start))
    )
    rows = []
    for word in REASONS.values():
        own = cells[said == word]
        rows.append([word, str(len(own)), str(own["trained"].sum())])
    yield table("forecast | runs | trained", rows)
    n, right = len(cells), (cells["trains"] == cells["trained"]).sum()
    rules = {
        depth: ((cells["depth"] <= depth) == cells["trained"]).sum()
        for depth in sorted(cells["depth"].unique())
    }
    best = max(rules, key=rules.get)
    signal = said.isin([*REASONS.values()][:2])
    passes = (~signal == cells["trained"]).sum()
    yield f"The forecast was right for {right} of {n} runs ({right / n:.0%})"
    yield f"know no learning rate, are right for {passes} ({passes / n:.0%})"
    yield (
        f"at most {best} hidden layers, chosen with the outcomes known, is right for "
        f"{rules[best]} ({rules[best] / n:.0%})"
    )
