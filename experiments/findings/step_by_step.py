"""What experiments/README.md says of `step_by_step`, computed from its runs."""

from check import digits, geometric_mean, table


def findings(study):
    rows = []
    for depth, group in study.runs.groupby("depth"):
        ratio = geometric_mean(group["start/gradient_first_to_last"])
        accuracy = group.groupby("lr")["accuracy/test"].mean()
        rows.append(
            [
                str(depth),
                digits(ratio) if depth else "",
                *(f"{accuracy[lr]:.3f}" for lr in (0.2, 0.8, 3.2)),
            ]
        )
    header = "depth | first layer / last layer at step 0 | test accuracy at lr 0.2 | 0.8 | 3.2"
    yield table(header, rows)
    hops = study.start.query("depth == 8 and layer < 8")  # between layers of width 64
    slopes, weights = (geometric_mean(hops[f"{name}_factor"]) for name in ("slope", "weight"))
    yield f"the slopes leave {100 * slopes:.0f} %"
    yield f"of variance 1/3 at width 64, amplify {weights:.1f} times"
