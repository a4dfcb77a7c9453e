"""What experiments/README.md says of `nielsen`, computed from its runs."""

from check import table

BOOK = {
    2: ("0.07", "0.31"),
    3: ("0.012", "0.060", "0.283"),
    4: ("0.003", "0.017", "0.070", "0.285"),
}


def findings(study):
    hidden = study.start[study.start["layer"] <= study.start["depth"]]
    speed = hidden.groupby(["depth", "layer"])["bias_grad_norm"]
    rows = []
    for depth, book in BOOK.items():
        blank = [""] * (4 - depth)
        groups = [speed.get_group((depth, layer)) for layer in range(1, depth + 1)]
        places = [4 if group.mean() < 0.1 and depth > 2 else 3 for group in groups]
        values = [
            f"{g.mean():.{n}f} ({g.min():.{n}f}, {g.max():.{n}f})"
            for g, n in zip(groups, places, strict=True)
        ]
        rows += [[str(depth), *values, *blank], ["book", *book, *blank]]
    yield table("depth | layer 1 | 2 | 3 | 4", rows)
