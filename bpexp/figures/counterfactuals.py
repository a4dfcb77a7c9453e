"""The scores of a training that was repeated with changes."""

from __future__ import annotations

from typing import Unpack

import pandas as pd
from matplotlib.figure import Figure

from bpexp.analysis.scores import guesses, with_score
from bpexp.figures.parts.drawing import styled
from bpexp.figures.parts.legends import legend, note_guess
from bpexp.figures.parts.look import NARROW, Look
from bpexp.figures.parts.panels import make_panels
from bpexp.figures.parts.scores import LOWEST, score_label, score_name
from bpexp.figures.parts.style import GUESS, NEUTRAL, SEED_DOTS, chosen

COLOURS = {"trains": "#2a78b5", "fails": "#c44e52", "not tried": "0.7"}
LINE, WIDTH = 0.24, 6.5  # inches


@styled
def remedies(trials: pd.DataFrame, **look: Unpack[Look]) -> Figure:
    """Draw the test score of each trial of `bpexp.remedies`, a line for each change.

    x: the task's primary metric on the test split; a trial that diverged has that of the best
    constant guess. y: the change, the smallest at the top. Small dots: seeds. Large dots: their
    mean, with a line from the mean of the unchanged training; filled where the change trains.

    Args:
        trials: `frame("trials")` of the result of `bpexp.remedies`.
        look: see `Look`; its palette is of the answers.
    """
    rows = with_score(trials, "test")
    names = [*dict.fromkeys(rows["change"])]
    own = {word: colour for word, colour in COLOURS.items() if word in {*rows["answer"]}}
    palette = chosen(own, look)
    narrow = look.get("width", WIDTH) < NARROW
    labels = [name.replace(" ", "\n") if narrow else name for name in names]
    lines = max(label.count("\n") for label in labels) + 1
    size = (WIDTH, LINE * (lines if narrow else 1) * len(names) + 0.5)
    panels = make_panels(rows, [], look, size=size)
    ((panel, _),) = panels.parts
    by_change = rows.groupby("change", sort=False)
    means, answers = by_change["score/test"].mean(), by_change["answer"].first()
    base = means.iloc[0]
    for place, name in enumerate(names):
        colour = palette[answers[name]]
        face = colour if answers[name] == "trains" else "w"
        panel.hlines(place, base, means[name], color=colour, linewidth=1.2, zorder=2)
        panel.plot(means[name], place, "o", color=colour, mfc=face, markersize=5, zorder=3)
        each = rows.loc[rows["change"] == name, "score/test"]
        if len(each) > 1:
            panel.scatter(each, [place] * len(each), color=colour, **SEED_DOTS)
        if answers[name] == "not tried":
            panel.text(base, place, "  not tried", color=NEUTRAL, fontsize=7, va="center")
    panel.axvline(base, color=NEUTRAL, linewidth=0.8, zorder=1)
    guess = float(guesses(rows, "test").iloc[0])
    panel.axvline(guess, **GUESS)
    panel.set_yticks(range(len(names)), labels)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.grid(False, axis="y")
    lowest = min(0.0, float(rows["score/test"].min()), guess)
    panel.set_xlim(max(LOWEST, lowest) - 0.03, 1.03)
    x = f"test {score_name(rows, 'test')}" if narrow else score_label(rows, "test")
    panels.label("What would have trained", x=x)
    legend(panels, "answer", palette, notes=[note_guess()])
    return panels.figure
