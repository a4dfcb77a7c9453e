"""What experiments/README.md says of `isometry`, computed from its runs."""

from check import spans, table


def measured_and_theory(group, name):
    """Return the mean of what was measured before training, and what theory expects."""
    return group[f"start/jacobian_{name}"].mean(), group[f"theory/jacobian_{name}"].iloc[0]


def findings(study):
    best = study.at_best_rate("depth", "init", runs=study.predicted)
    rows = []
    for (depth, init), group in best.groupby(["depth", "init"], observed=True):
        rows.append(
            [
                str(depth),
                init,
                f"{group['start/gradient_decay_rate'].mean():.3f}",
                "{:.3f} ({:.3f})".format(*measured_and_theory(group, "mean_square")),
                "{:#.3g} ({:#.3g})".format(*measured_and_theory(group, "relative_variance")),
                f"{group['lr'].iloc[0]:g}",
                spans(group),
                f"{group['score/test'].mean():.3f}",
            ]
        )
    header = "depth | init | decay rate before training | mean s^2: measured (theory) | "
    header += "Var s^2 / mean^2 | best lr | rates that train | test accuracy"
    yield table(header, rows)
    first = study.curves.query("depth == 32 and epoch == 1")
    first = first[first["run"].isin(best["run"])]
    accuracy = first.groupby("init", observed=True)["accuracy/test"].mean()
    yield f"it has {accuracy['orthogonal']:.2f} for {accuracy['lecun_normal']:.2f} at depth 32"
    cells = study.forecast
    right = (cells.trains == cells.trained).sum()
    yield f"was right for {right} of {len(cells)} runs"
