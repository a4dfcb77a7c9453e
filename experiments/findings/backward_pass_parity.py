"""What experiments/README.md says of `backward_pass_parity`, computed from its runs."""

import numpy as np
from check import table

import bpexp

EPOCHS = (*range(1, 11), 999)
PUBLISHED = (
    ".48236 | .3234 | .16235 | .075001 | .040232 | .025256 | .017793 | .013523 | .010801 | "
    ".0089463 | .00004031"
)


def findings(study):
    errors = study.curves.pivot_table(index="epoch", columns="seed", values="loss/train")
    rows = [["error in the text", *PUBLISHED.split(" | ")]]
    for label, reduce in {"median of ours": np.median, "least": np.min, "most": np.max}.items():
        row = [f"{reduce(errors.loc[epoch]):.5f}".removeprefix("0") for epoch in EPOCHS]
        rows.append([label, *row])
    yield table(f"epoch | {' | '.join(map(str, EPOCHS))}", rows)
    ratios = []
    for _, run in study.runs.iterrows():
        weights = np.abs(bpexp.load_network(run).layers[0][1:]).sum(axis=1)
        assert weights.argmax() == 9, "the least significant bit"
        ratios.append(weights[9] / np.sort(weights)[-2])
    yield f"{min(ratios):.1f} to {max(ratios):.0f} times those of the next"
    first = study.curves.query("step == 0")[["loss/test", "accuracy/test"]].mean()
    yield (
        f"Before training the networks guess: error {first['loss/test']:.2f}, "
        f"accuracy {first['accuracy/test']:.2f} on the larger numbers"
    )
