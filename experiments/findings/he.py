"""What experiments/README.md says of `he`, computed from its runs."""

from check import digits, geometric_mean, spans, table

from bpexp.analysis.averages import half_width

NAMES = {"glorot_normal": "Xavier", "he_normal": "He"}


def findings(study):
    best = study.at_best_rate("init", "depth", runs=study.predicted)
    groups = {key: group for key, group in best.groupby(["init", "depth"], observed=True)}
    rows = []
    for depth in (10, 22, 30):
        for init, name in NAMES.items():
            group = groups[init, depth]
            accuracy = group["score/test"]
            measured = geometric_mean(group["start/gradient_first_to_last"])
            rows.append(
                [
                    str(depth),
                    name,
                    f"{group['lr'].iloc[0]:g}",
                    spans(group),
                    f"{accuracy.mean():.3f} ({accuracy.min():.3f}, {accuracy.max():.3f})",
                    f"{digits(measured)} ({digits(group['theory/first_to_last'].iloc[0])})",
                ]
            )
    header = "depth | init | best lr | rates that train | test accuracy, mean (least, greatest) | "
    yield table(header + "first / last, geometric mean (theory: root mean square)", rows)
    rates = [groups[init, 30]["start/gradient_decay_rate"] for init in NAMES]
    yield " and ".join(f"{rate.mean():.3f} +- {half_width(rate):.3f}" for rate in rates)
    cells = study.forecast
    yield f"The forecast was right for {(cells.trains == cells.trained).sum()} of {len(cells)} runs"
