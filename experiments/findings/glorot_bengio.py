"""What experiments/README.md says of `glorot_bengio`, computed from its runs."""

from check import table

INITS = ("standard", "glorot_uniform")


def findings(study):
    by = ["activation", "init"]
    hop = study.start.query("layer == 2").groupby(by, observed=True)  # from layer 3 to 2
    weights, slopes = hop["weight_factor"].mean(), hop["slope_factor"].mean()
    accuracy = study.runs.groupby(by, observed=True)["accuracy/test"].mean()
    rows = []
    for name in ("tanh", "softsign", "sigmoid"):
        factors = [f"{part[name, init]:.3f}" for init in INITS for part in (weights, slopes)]
        rows.append([name, *factors, *(f"{accuracy[name, init]:.3f}" for init in INITS)])
    header = " | W: standard | g' | W: glorot_uniform | g' | test accuracy, standard | "
    yield table(header + "glorot_uniform", rows)
    tanh = study.start.query("activation == 'tanh' and init == 'standard'")
    norms = ", ".join(f"{value:.3f}" for value in tanh.groupby("layer")["grad_norm"].mean())
    yield f"nearly the same in all layers ({norms})"
    top = study.layers.query(
        "activation == 'sigmoid' and init == 'standard' and layer == 4 and epoch == 100"
    )
    yield f"(mean {top['activation_mean'].mean():.2f} after 100 epochs)"
    errors = [100 * (1 - accuracy["tanh", init]) for init in INITS]
    yield f"here, on digits, {errors[0]:.1f} % against {errors[1]:.1f} %"
