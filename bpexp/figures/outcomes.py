"""Figures of outcomes: scores after training, learning curves and verdicts."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bpexp.analysis.paired import paired_differences
from bpexp.errors import one_of
from bpexp.figures import style
from bpexp.figures.frames import compared, levels, numeric, parted, settings, varies
from bpexp.figures.gradients import by_depth
from bpexp.figures.lines import draw_lines, has_interval, notes
from bpexp.figures.scores import draw_scores, limit_scores, score_name, with_score

ENTROPIES = {"cross_entropy", "binary_cross_entropy"}


def over_depths(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs if depth is what they are drawn against: where it varies, or nothing else."""
    return runs if varies(runs, "depth") or not numeric(runs) else runs.head(0)


def over_settings(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs if they are of one depth and of three values or more of a setting."""
    return runs.head(0) if len(over_depths(runs)) else runs


@style.styled
def score_by_setting(runs: pd.DataFrame, *, setting: str | None = None) -> Figure:
    """Draw the test score after training against a numeric setting, a line an activation.

    x: the setting, log scale where its values are so spaced. All else as in `score_by_depth`.

    Args:
        runs: columns run, activation, init, depth, seed, the setting, accuracy/test or the primary
            metric of another task, chance.
        setting: by default the first that has three values or more.

    Raises:
        ValueError: there is none.
    """
    candidates = numeric(runs)
    across = setting or next(iter(candidates), None)
    if across not in runs:
        raise ValueError(one_of("setting", across, candidates))
    return _draw_scores(runs, str(across), str(across))


@style.styled
def score_by_depth(runs: pd.DataFrame) -> Figure:
    """Draw the test score after training against depth, a line an activation.

    A line an initialization if only that varies; other settings that vary part panels.
    x: hidden layers. y: the task's primary metric: in classification the share of the test split
    that is classified right, in regression R2, whose axis ends at -1. Lines and bands: mean over
    seeds and its 95 % Student t interval. Dotted: the best constant guess.

    Args:
        runs: columns run, activation, init, depth, seed, accuracy/test or the primary metric of
            another task, and if known chance.
    """
    return _draw_scores(runs, "depth", "hidden layers")


def _draw_scores(runs: pd.DataFrame, x: str, label: str) -> Figure:
    figure = draw_scores(runs, x)
    figure.supxlabel(label)
    figure.suptitle(f"Test {score_name(runs, 'test')} after training")
    return figure


def paired_scores(runs: pd.DataFrame) -> pd.DataFrame:
    """Return `paired_differences` of test scores between the compared levels, from three seeds.

    Args:
        runs: as `bpexp.load_runs` returns them.
    """
    main = compared(runs)
    if not (varies(runs, main) and has_interval(runs)):
        return runs.head(0)
    return paired_differences(with_score(runs, "test"), main, "score/test")


@style.styled
def paired_by_depth(differences: pd.DataFrame) -> Figure:
    """Draw paired differences of test scores against depth, a line an activation.

    Each run is compared with the run of the base level that shares its seed, and so its initial
    draws and the order of its batches. x: hidden layers. y: difference of the task's primary
    metric. Lines and bands: mean over seeds and its 95 % Student t interval; where a band leaves
    out 0 the levels differ.

    Args:
        differences: as `bpexp.paired_differences` returns them.
    """
    figure, panels = by_depth(differences, "difference", hue=differences["factor"].iloc[0])
    for panel, _ in panels:
        panel.axhline(0, color=style.NEUTRAL, linewidth=0.6, zorder=1)
    base = differences["base"].iloc[0]
    figure.supylabel(f"test {score_name(differences, 'test')} less that of {base}")
    figure.suptitle(f"Paired differences from {base}, same draws")
    return figure


@style.styled
def learning_curves(curves: pd.DataFrame, *, split: Literal["test", "train"] = "test") -> Figure:
    """Draw loss above score against epoch: a line an activation, a panel a depth.

    A line an initialization if only that varies, or a value of a numeric setting if that alone has
    many; other settings that vary part panels further. x: epochs done. y: mean cost an example
    (nats where the cost is a cross-entropy), log scale; and the task's primary metric, as in
    `score_by_depth`. Lines and bands: mean over seeds (geometric for the loss) and its 95 % Student
    t interval. Crosses at the lower edge: losses of exactly 0. A line ends where its run diverged.

    Args:
        curves: columns run, activation, init, depth, seed, cost, epoch, loss/test and accuracy/test
            (or loss/train and accuracy/train), or the primary metric of another task.
        split: the split on which both were measured.
    """
    curves, main = with_score(curves, split), compared(curves)
    palette, shapes = style.colours(curves, main), style.markers(curves, main)
    if not varies(curves, main) and len(over_settings(curves)):
        main = numeric(curves)[0]
        palette, shapes = style.shades(levels(curves, main)), {}
    parts = parted(curves, ["depth", *settings(curves, [main, "depth"])])
    figure, pairs = _paired_panels(len(parts))
    loss, score = f"loss/{split}", f"score/{split}"
    every = max(1, curves["epoch"].nunique() // 5)
    look: dict[str, Any] = {"markers": shapes or None, "markersize": 5, "markevery": every}
    for half, y in enumerate((loss, score)):
        halves = [(pair[half], rows) for pair, (_, rows) in zip(pairs, parts, strict=True)]
        draw_lines(halves, "epoch", y, main, palette, log=y == loss, least=5, **look)
    for (above, below), (title, _) in zip(pairs, parts, strict=True):
        above.set_title(style.folded(title, 32))
        style.plain(above.yaxis)
        limit_scores(below, curves, split)
        style.whole(below.xaxis, most=5)
    for above, below in pairs[:: _across(len(pairs))]:
        above.set_ylabel(f"{split} loss{_unit(curves)}")
        below.set_ylabel(f"{split} {score_name(curves, split)}")
    figure.supxlabel("epoch")
    shown = {name: palette[name] for name in style.thinned(levels(curves, main))}
    style.legend(figure, main, shown, shapes, notes=notes(curves, loss, log=True))
    name = score_name(curves, split)
    figure.suptitle(f"Loss and {name} on the {split} split through training")
    return figure


@style.styled
def verdict_map(
    runs: pd.DataFrame, *, rows: str | None = None, columns: str | None = None
) -> Figure:
    """Draw the verdicts over two swept factors: colour and words say what became of the runs.

    A cell names the commonest verdict of its seeds (the gravest of those as common), how many of
    them share it if not all do, and the mean of the task's primary metric on the test split.
    Settings that vary beside the two factors part panels.

    Args:
        runs: columns run, activation, init, depth, seed, verdict, accuracy/test or the primary
            metric of another task.
        rows: the factor drawn downwards; depth, unless another setting alone varies.
        columns: the factor drawn across; the activation, or the init if only that varies.
    """
    told = with_score(runs, "test").dropna(subset=["verdict"])
    across = columns or compared(told)
    others = settings(told, [across])
    down = rows or ("depth" if varies(told, "depth") or not others else others[0])
    parts = parted(told, settings(told, [across, down]))
    size = (max(told[across].nunique() + 0.2, 1.6), max(0.5 * told[down].nunique(), 0.5) + 0.5)
    figure, axes = style.panels(
        len(parts), columns=max(1, int(16 / size[0])), size=size, sharex=True, sharey=True
    )
    for panel, (title, part) in zip(axes, parts, strict=True):
        panel.set_title(style.folded(title, int(11 * size[0])))
        if not part.empty:
            _draw_verdicts(panel, part, down, across, told)
    figure.supxlabel(_axis(across))
    figure.supylabel(_axis(down))
    figure.suptitle(f"Verdict and test {score_name(runs, 'test')}")
    return figure


def _across(n: int) -> int:
    """Choose how many pairs of panels stand side by side: at most six, in even rows."""
    return -(-n // -(-n // 6))


def _paired_panels(n: int) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """Return n pairs of panels, one above the other, all with the same axes."""
    across = _across(n)
    blocks = -(-n // across)
    width = 2.3 if n > 1 else 4.2
    figure = Figure(figsize=(width * across + 1.6, 3.6 * blocks + 0.7), layout="constrained")
    pairs: list[tuple[Axes, Axes]] = []
    for i in range(n):
        row, column = divmod(i, across)
        pair: list[Axes] = []
        for half in (0, 1):
            place = (2 * row + half) * across + column + 1
            first = pairs[0][half] if pairs else None
            left = pairs[0][0] if pairs else (pair[0] if pair else None)
            pair.append(figure.add_subplot(2 * blocks, across, place, sharex=left, sharey=first))
        for half, panel in enumerate(pair):
            panel.tick_params(
                which="both", labelbottom=half == 1 and i >= n - across, labelleft=column == 0
            )
        pairs.append((pair[0], pair[1]))
    return figure, pairs


def _unit(curves: pd.DataFrame) -> str:
    entropies = "cost" in curves and curves["cost"].isin(ENTROPIES).all()
    return " (nats)" if entropies else ""


def _axis(factor: str) -> str:
    return "hidden layers" if factor == "depth" else factor


def _draw_verdicts(
    panel: Axes, part: pd.DataFrame, down: str, across: str, told: pd.DataFrame
) -> None:
    """Colour and letter one panel's cells; cells without a run stay white."""
    index, names = levels(told, down), levels(told, across)
    codes = pd.DataFrame(float("nan"), index, names)
    words = pd.DataFrame("", index, names)
    for key, runs in part.groupby([down, across], observed=True):
        codes.loc[key], words.loc[key] = _cell(runs)
    style.draw_cells(panel, codes, words, list(style.VERDICTS.values()), fontsize=7.5)


def _cell(runs: pd.DataFrame) -> tuple[int, str]:
    """Return the place of a cell's verdict in VERDICTS, and the cell's words."""
    gravity = list(style.VERDICTS)
    counts = runs["verdict"].astype(str).value_counts()
    verdict = max(gravity, key=lambda word: (counts.get(word, 0), gravity.index(word)))
    share = f" {counts[verdict]}/{len(runs)}" if counts[verdict] < len(runs) else ""
    score = runs["score/test"].mean()
    told = "" if pd.isna(score) else f"\n{score:.3f}"
    return gravity.index(verdict), f"{verdict}{share}{told}"
