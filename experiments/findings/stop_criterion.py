"""What experiments/README.md says of `stop_criterion`, computed from its runs."""

from check import table

RULES = {
    "none": "none",
    "cost": "cost, at 0.01",
    "accuracy": "accuracy, at 0.99",
    "patience": "patience, 10 epochs",
}


def findings(study):
    rows = []
    for rule, label in RULES.items():
        group = study.runs[study.runs["stop"] == rule].sort_values("seed")
        early = group["epoch"][group["epoch"] < 500]
        epochs = [f"{early.min():.0f} to {early.max():.0f}"] if len(early) else []
        epochs += [f"500 in {len(group) - len(early)} draws"] if 0 < len(early) < len(group) else []
        accuracies = " ".join(f"{value:.1f}" for value in group["accuracy/test"])
        rows.append([label, "; ".join(epochs) or "500", accuracies])
    early = study.runs[(study.runs["stop"] == "patience") & (study.runs["epoch"] < 500)]
    yield f"patience stops there in {len(early)} of 5 draws"
    yield table("stop | epochs | test accuracy of the five draws", rows)
