"""The results of the trials of changes: a table, a figure, and the command of each change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any, Literal

import pandas as pd
from matplotlib.figure import Figure

from bpexp.errors import BpexpError, one_of
from bpexp.figures import remedies as figure
from bpexp.nn import Network
from bpexp.nn.tasks import find_task
from bpexp.remedying.changes import Candidate
from bpexp.remedying.subject import Subject
from bpexp.remedying.trials import Trial

ANSWERS = {
    "trains": "at least half of the trials end more than half way from guessing to a perfect score "
    "on the training split",
    "fails": "fewer do",
    "not tried": "the time was over before",
}
"""The possible results of a change, and their meaning."""


@dataclass(frozen=True)
class Remedy:
    """A change with its trials.

    Attributes:
        change: the overrides of the change, such as "lr=0.15", or "unchanged".
        keys: the number of changed keys.
        kind: the row, or rows, of `bpexp.remedying.changes.CHANGES`, such as "thrice".
        trials: the trials in the order of the seeds.
        command: the command or call that trains the changed configuration again.
    """

    change: str
    keys: int
    kind: str
    trials: tuple[Trial, ...]
    command: str

    @property
    def answer(self) -> str:
        """One of ANSWERS."""
        if not self.trials:
            return "not tried"
        return "trains" if mean(trial.trained for trial in self.trials) >= 0.5 else "fails"

    @property
    def verdict(self) -> str:
        """The most frequent verdict of the trials; empty without trials."""
        words = Counter(trial.verdict for trial in self.trials).most_common(1)
        return words[0][0] if words else ""


class Remedies:
    """The results of changes of a training, the smallest change first.

    Attributes:
        name: the name of the run or network.
        data: the data set of the trials.
        remedies: the unchanged training, then the changes.
        seconds: the duration of the trials.
    """

    def __init__(
        self,
        subject: Subject,
        found: Sequence[Candidate],
        trials: dict[str, list[Trial]],
        seeds: Sequence[int],
        seconds: float,
    ) -> None:
        """Store the trials.

        Args:
            subject: the training that was changed.
            found: the changes, in their order.
            trials: the trials of each change by its name.
            seeds: the seeds; the first is that of the run.
            seconds: the duration of the trials.
        """
        self.name, self.data, self.seconds = subject.name, subject.data, seconds
        self._subject, self._seed = subject, seeds[0]
        self._configs = {candidate.name: candidate.config for candidate in found}
        self._metric = find_task(subject.data.task).metric
        self.remedies = tuple(
            Remedy(
                candidate.name,
                candidate.keys,
                candidate.kind,
                tuple(trials[candidate.name]),
                subject.command(
                    candidate.name,
                    candidate.config,
                    [trial.seed for trial in trials[candidate.name]] or seeds,
                ),
            )
            for candidate in found
        )

    @property
    def first(self) -> Remedy | None:
        """The smallest change that trains, or None."""
        return next((one for one in self._changes if one.answer == "trains"), None)

    def network(self, change: str) -> Network:
        """Return the network of a change before training, with the run's own seed.

        Args:
            change: the name of a change.

        Raises:
            BpexpError: there is no such change.
        """
        if change not in self._configs:
            raise BpexpError(one_of("change", change, self._configs))
        config = replace(self._configs[change], seed=self._seed)
        theta = self._subject.theta(config).astype(config.dtype)
        return Network(self._subject.architecture(config), theta, classes=self.data.classes)

    def frame(self, table: Literal["changes", "trials"] = "changes") -> pd.DataFrame:
        """Return the changes, or the trials, as a frame.

        Both have the columns change, keys, kind, answer and verdict; the task's primary metric on
        both splits, such as accuracy/train and accuracy/test; chance and chance/test, its values on
        the splits for the best constant guess of the training split; and difference, the metric on
        the test split minus that of the unchanged training with the same seed. A trial that
        diverged has the metric of that guess.

        Args:
            table: "changes": a row for each change, with means over seeds, the number of seeds
                tried, the number that trained, and the command. "trials": a row for each trial,
                with its seed, and a row without a seed for each change that was not tried.

        Raises:
            ValueError: there is no such table.
        """
        if table not in ("changes", "trials"):
            raise ValueError(one_of("table", table, ["changes", "trials"]))
        trials = pd.DataFrame([row for one in self.remedies for row in self._rows(one)])
        if table == "trials":
            return trials
        values = [f"{self._metric}/train", f"{self._metric}/test", "difference"]
        means = trials.groupby("change")[values].mean()
        return pd.DataFrame(
            {
                "change": one.change,
                "keys": one.keys,
                "kind": one.kind,
                "answer": one.answer,
                "seeds": len(one.trials),
                "trained": sum(trial.trained for trial in one.trials),
                **means.loc[one.change],
                **self._chance,
                "verdict": one.verdict,
                "command": one.command,
            }
            for one in self.remedies
        )

    def figure(self, **look: Any) -> Figure:
        """Draw the scores of all trials; see `bpexp.figures.remedies`.

        Args:
            look: see `bpexp.figures.Look`.
        """
        return figure(self.frame("trials"), **look)

    def text(self) -> str:
        """Return the table as text, with the commands of the changes that train."""
        train = [one for one in self._changes if one.answer == "trains"]
        tried = sum(bool(one.trials) for one in self._changes)
        lines = [
            f"{self.name}: {len(train)} of {tried} changes train"
            + (f", {rest} not tried" if (rest := len(self._changes) - tried) else "")
            + f"; {self.seconds:.1f} s",
            "",
            *_columns(self._cells()),
            "",
            *(f"{one.change}\n    {one.command}" for one in train),
        ]
        return "\n".join(lines).rstrip()

    def __repr__(self) -> str:
        """Return the table as text."""
        return self.text()

    def _repr_html_(self) -> str:
        """Return the table of the changes."""
        return str(self.frame().to_html(index=False, float_format="{:.3f}".format, na_rep=""))

    @property
    def _changes(self) -> tuple[Remedy, ...]:
        return self.remedies[1:]

    @property
    def _chance(self) -> dict[str, float]:
        return {"chance": self.data.chance, "chance/test": self.data.chance_test}

    def _rows(self, remedy: Remedy) -> list[dict[str, Any]]:
        """Return the rows of a change in the frame of trials."""
        base = {trial.seed: trial.test for trial in self.remedies[0].trials}
        own = {"change": remedy.change, "keys": remedy.keys, "kind": remedy.kind}
        own["answer"] = remedy.answer
        scores = [f"{self._metric}/{split}" for split in ("train", "test")]
        rows = [
            {
                **own,
                "seed": trial.seed,
                **dict(zip(scores, (trial.train, trial.test), strict=True)),
                "difference": trial.test - base[trial.seed],
                **self._chance,
                "verdict": trial.verdict,
            }
            for trial in remedy.trials
        ]
        nothing = dict.fromkeys(("seed", *scores, "difference"), float("nan"))
        return rows or [{**own, **nothing, **self._chance, "verdict": ""}]

    def _cells(self) -> list[list[str]]:
        """Return the cells of the table, its head first."""
        rows = [
            ["keys", "change", "answer", f"{self._metric}/test", "difference", "trained", "verdict"]
        ]
        for row in self.frame().to_dict("records"):
            tried = row["seeds"] > 0
            rows.append([
                str(row["keys"]),
                row["change"],
                row["answer"],
                f"{row[f'{self._metric}/test']:.3f}" if tried else "",
                f"{row['difference']:+.3f}" if tried and row["keys"] else "",
                f"{row['trained']} of {row['seeds']}" if tried else "",
                row["verdict"],
            ])  # fmt: skip
        return rows


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
