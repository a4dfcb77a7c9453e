"""What experiments/README.md says of `glorot_bengio`, computed from its runs."""

from check import geometric_mean, spans, table

INITS = ("standard", "glorot_uniform")


def findings(study):
    by = ["activation", "init"]
    best = study.at_best_rate(*by)
    runs = {key: group for key, group in best.groupby(by, observed=True)}
    start = study.start[study.start["run"].isin(best["run"])]
    hops = {key: group for key, group in start.query("layer == 2").groupby(by, observed=True)}
    rows = []
    for name in ("tanh", "softsign", "sigmoid"):
        for init in INITS:
            group, hop = runs[name, init], hops[name, init]  # from layer 3 to 2
            rows.append(
                [
                    name,
                    init,
                    *(
                        f"{geometric_mean(hop[f'{part}_factor']):.3f}"
                        for part in ("weight", "slope")
                    ),
                    f"{group['lr'].iloc[0]:g}",
                    spans(group),
                    f"{group['score/test'].mean():.3f}",
                ]
            )
    header = "activation | init | W, geometric mean | g', geometric mean | best lr | "
    yield table(header + "rates that train | test accuracy, mean", rows)
    tanh = start.query("activation == 'tanh' and init == 'standard'")
    norms = ", ".join(f"{value:.3f}" for value in tanh.groupby("layer")["grad_norm"].mean())
    yield f"nearly the same in all layers ({norms})"
    top = study.layers.query(
        "activation == 'sigmoid' and init == 'standard' and layer == 4 and epoch == 80"
    )
    means = ", ".join(f"{value:.2f}" for value in top.groupby("lr")["activation_mean"].mean())
    yield f"(means after 80 epochs, from the lowest rate to the highest: {means})"
    errors = [100 * (1 - runs["tanh", init]["score/test"].mean()) for init in INITS]
    yield f"here, on digits, {errors[0]:.1f} % against {errors[1]:.1f} %"
