"""What experiments/README.md says of `dead_relus`, computed from its runs."""

from check import table

from bpexp.analysis.scores import with_score

RATES = (0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7)


def findings(study):
    relu = study.layers.query("activation == 'relu'")
    before = relu.query("step == 0").groupby("layer")["dead"].mean()
    after = relu.query("epoch == 10").groupby(["layer", "lr"])["dead"].mean()
    rows = [
        [f"dead in layer {n}", f"{before[n]:.2f}", *(f"{after[n, lr]:.2f}" for lr in RATES)]
        for n in (1, 4)
    ]
    diverged = study.runs[study.runs["diverged_at"].notna() & study.runs["lr"].isin(RATES)]
    assert set(diverged["activation"]) == {"leaky"}
    counts = diverged.groupby("lr").size()
    rates = ", ".join(f"{n} of 5 at {lr}" for lr, n in counts.items())
    yield f"Runs that diverged, all of them leaky, count as guesses: {rates}"
    runs = with_score(study.runs, "test")
    accuracy = runs.groupby(["activation", "lr"], observed=True)["score/test"].mean()
    for name, label in {"relu": "ReLU", "leaky": "leaky"}.items():
        rows.append([f"accuracy, {label}", "", *(f"{accuracy[name, lr]:.3f}" for lr in RATES)])
    yield table(f"lr | before | {' | '.join(map(str, RATES))}", rows)
