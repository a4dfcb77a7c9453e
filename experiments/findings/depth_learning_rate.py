"""What experiments/README.md says of `depth_learning_rate`, computed from its runs."""

from check import table

from bpexp.analysis.scores import with_score

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)


def findings(study):
    runs = with_score(study.runs, "test")
    means = runs.groupby(["activation", "depth", "lr"], observed=True)["score/test"].mean()
    rows = [
        [str(depth), *(f"{means['tanh', depth, lr]:.2f}" for lr in RATES)]
        for depth in (2, 8, 16, 32)
    ]
    yield table(f"depth | lr {' | '.join(map(str, RATES))}", rows)
    best = means["relu", 32].max()
    yield f"ReLU at depth 32 trains at no rate within 10 epochs: {best:.2f} at best"
