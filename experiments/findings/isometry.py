"""What experiments/README.md says of `isometry`, computed from its runs."""

from check import table


def measured_and_theory(group, name):
    """Return the mean of what was measured before training, and what theory says."""
    return group[f"start/jacobian_{name}"].mean(), group[f"theory/jacobian_{name}"].iloc[0]


def findings(study):
    rows = []
    for (depth, init), group in study.predicted.groupby(["depth", "init"], observed=True):
        accuracy = group.groupby("lr")["accuracy/test"].mean()
        rows.append(
            [
                str(depth),
                init,
                f"{group['start/gradient_decay_rate'].mean():.3f}",
                "{:.3f} ({:.3f})".format(*measured_and_theory(group, "mean_square")),
                "{:#.3g} ({:#.3g})".format(*measured_and_theory(group, "relative_variance")),
                *(f"{accuracy[lr]:.3f}" for lr in (0.01, 0.03)),
            ]
        )
    header = "depth | init | decay rate before training | mean s^2: measured (theory) | "
    yield table(header + "Var s^2 / mean^2 | accuracy at lr 0.01 | at lr 0.03", rows)
    first = study.curves.query("depth == 32 and lr == 0.01 and epoch == 1")
    accuracy = first.groupby("init", observed=True)["accuracy/test"].mean()
    yield f"it has {accuracy['orthogonal']:.2f} for {accuracy['lecun_normal']:.2f} at depth 32"
    cells = study.forecast
    right = (cells.trains == cells.trained).sum()
    yield f"expected all {cells.trains.sum()} to train and was right for {right}"
