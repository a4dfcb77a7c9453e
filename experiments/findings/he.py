"""What experiments/README.md says of `he`, computed from its runs."""

from check import digits, geometric_mean, half_width, table

NAMES = {"glorot_normal": "Xavier", "he_normal": "He"}


def findings(study):
    predicted = study.predicted.groupby(["init", "depth"], observed=True)
    groups = {key: group for key, group in predicted}
    rows = []
    for depth in (10, 22, 30):
        row = [str(depth)]
        for init in NAMES:
            accuracy = groups[init, depth]["accuracy/test"]
            row.append(f"{accuracy.mean():.3f} ({accuracy.min():.3f}, {accuracy.max():.3f})")
        for init in NAMES:
            group = groups[init, depth]
            measured = geometric_mean(group["start/gradient_first_to_last"])
            theory = group["theory/first_to_last"].iloc[0]
            row.append(f"{digits(measured)} ({digits(theory)})")
        rows.append(row)
    header = "depth | Xavier: accuracy (least, greatest) | He | "
    yield table(header + "Xavier: first / last, geometric mean (theory) | He", rows)
    rates = [groups[init, 30]["start/gradient_decay_rate"] for init in NAMES]
    yield " and ".join(f"{rate.mean():.3f} +- {half_width(rate):.3f}" for rate in rates)
    cells = study.forecast
    yield f"The forecast was right for {(cells.trains == cells.trained).sum()} of {len(cells)} runs"
