"""What experiments/README.md says of `backward_pass_mnist`, computed from its runs."""

from check import table

EPOCHS = (*range(1, 12), 50, 300)
PUBLISHED = "1.166 .837 .746 .664 .612 .570 .545 .521 .494 .472 .449 .219".split()
TEXTS_DRAW = "1.153 .813 .728 .655 .605 .572 .546 .520 .505 .482 .468".split()


def short(value):
    return f"{value:.3f}".removeprefix("0")


def findings(study):
    rows = []
    for scaled, label in {True: "0 to 1", False: "0 to 255, as in the text (.9259)"}.items():
        group = study.runs[study.runs["data.scale"] == scaled].sort_values("seed")
        (verdict,) = group["verdict"].unique()
        rows.append([label, " ".join(map(short, group["accuracy/test"])), f"{verdict} 5/5"])
    yield table("pixels | test accuracy of the five draws | verdict", rows)
    error = study.curves.groupby(["data.scale", "epoch"])["loss/train"].mean()
    rows = [["the text", *PUBLISHED, ""], ["raw, the text's draw", *TEXTS_DRAW, "", ""]]
    for scaled, label in {False: "raw, mean of five", True: "scaled, mean of five"}.items():
        rows.append([label, *(short(error[scaled, epoch]) for epoch in EPOCHS)])
    yield table(f"error after epoch | {' | '.join(map(str, EPOCHS))}", rows)
