"""What experiments/README.md says of `deep_information_propagation`, computed from its runs."""

from check import table

VARIANCES = (1, 1.3, 1.6, 1.76, 2.2, 2.8, 4)


def findings(study):
    runs = study.predicted
    accuracy = runs.groupby(["depth", "init.sigma_w2"])["accuracy/train"].mean()
    rows = [
        [str(depth), *(f"{accuracy[depth, variance]:.2f}" for variance in VARIANCES)]
        for depth in (10, 20, 40, 60, 100)
    ]
    limits = runs.groupby("init.sigma_w2")["theory/deepest"].first()
    rows.append(["6 xi_c", *(f"{limits[variance]:.0f}" for variance in VARIANCES)])
    yield table(f"depth | sigma_w2 {' | '.join(map(str, VARIANCES))}", rows)
    cells = study.forecast
    yield f"was right for {(cells.trains == cells.trained).sum()} of {len(cells)} networks"
    beyond = cells["reason"].str.startswith("deeper than 6 xi_c")
    within, lost = cells[~beyond], cells[beyond]
    yield (
        f"Of the {len(lost)} networks beyond 6 xi_c {lost.trained.sum()} trained, and of the "
        f"other {len(within)} {within.trained.sum()}"
    )
