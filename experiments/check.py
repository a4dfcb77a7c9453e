"""Check the numbers of experiments/README.md against the runs that they are about.

    python experiments/check.py [STUDY ...] [--write] [--unchecked] [--tolerance T]

Run it in the folder that holds runs/; without a name it checks every study that has runs there.
findings/STUDY.py computes from the runs the tables and phrases that the study's section of the
README must contain. A table is found by its first line, a phrase by its words; the numbers in them
may be wrong. `--write` puts the computed numbers into the README; `--unchecked` prints the lines
with numbers that no table or phrase covers. The exit code is 1 where a number was wrong, or a table
or phrase was not found.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from runpy import run_path

import pandas as pd

from bpexp.analysis.averages import Mean, average
from bpexp.analysis.rates import at_best_rate
from bpexp.analysis.scores import with_score
from bpexp.results import (
    load_curves,
    load_layers,
    load_runs,
    load_spectra,
    load_tables,
    load_theory,
)

HERE = Path(__file__).parent
README = HERE / "README.md"
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w^])")


@dataclass(frozen=True)
class Study:
    """A study's frames, each loaded when it is first used."""

    name: str
    root: Path = Path()

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a run: configuration, final metrics, verdict."""
        return load_runs(self.name, root=self.root)

    @cached_property
    def predicted(self) -> pd.DataFrame:
        """The columns of `runs`, and what theory says of each run, as theory/..."""
        return load_tables(self.name, root=self.root).runs

    def at_best_rate(self, *by: str, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the rows of each configuration's best learning rate.

        The seeds that choose the rate are left out (see `bpexp.analysis.rates`). In score/test a
        run that diverged has the score of the best constant guess.

        Args:
            by: the keys that identify a configuration.
            runs: `runs` or `predicted`, with further columns; by default `runs`.
        """
        return with_score(at_best_rate(self.runs if runs is None else runs, by), "test")

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A row a run, step and layer."""
        return load_layers(self.name, root=self.root)

    @property
    def start(self) -> pd.DataFrame:
        """The rows of `layers` before training."""
        return self.layers.query("step == 0")

    @cached_property
    def theory(self) -> pd.DataFrame:
        """The rows of `start` as theory predicts them."""
        return load_theory(self.name, root=self.root)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row a run and epoch."""
        return load_curves(self.name, root=self.root)

    @cached_property
    def spectra(self) -> pd.DataFrame:
        """A row a singular value of a Jacobian."""
        return load_spectra(self.name, root=self.root)

    @cached_property
    def forecast(self) -> pd.DataFrame:
        """The cells that the forecast was scored on; a run of several sweeps counts once."""
        paths = sorted((self.root / "runs" / self.name / "sweeps").glob("*/forecast.csv"))
        cells = pd.concat(map(pd.read_csv, paths), ignore_index=True)
        return cells.drop_duplicates("run", ignore_index=True)


def table(header: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the header's cells are separated by '|'."""
    cells = [cell.strip() for cell in header.split("|")]
    lines = [cells, ["---"] * len(cells), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("|  |", "| |")


def digits(value: float, n: int = 2) -> str:
    """Return a number with n significant digits, those that are 0 too."""
    return f"{value:#.{n}g}".removesuffix(".")


def geometric_mean(values: pd.Series[float]) -> float:
    """Return exp of the mean logarithm."""
    return average(values, Mean.GEOMETRIC)


def spans(best: pd.DataFrame) -> str:
    """Return the learning rates that train a configuration, from its rows of `at_best_rate`."""
    first = best.iloc[0]
    ends = dict.fromkeys(f"{first[name]:g}" for name in ("trains_from", "trains_to"))
    return " to ".join(ends) if first["rates"] else "none"


def at_best(best: pd.DataFrame) -> str:
    """Return the mean test score of one configuration's rows of `at_best_rate`, with the rates."""
    return f"{best['score/test'].mean():.2f} at {best['lr'].iloc[0]:g} ({spans(best)})"


def variants(frame: pd.DataFrame) -> pd.Series[str]:
    """Return the skip connections of each row: "plain", or their name and scale."""
    names = frame["skip"].astype(str).replace("none", "plain")
    scaled = frame["skip.scale"].astype(str) == "1/sqrt(blocks)"
    return names.mask(scaled, names + " / sqrt(blocks)")


def over_depths(
    cells: pd.DataFrame, rows: list[str], show: Callable[[pd.DataFrame], str], title: str = ""
) -> str:
    """Return a table of configurations over depth.

    Args:
        cells: rows of runs, with the columns `rows` and depth.
        rows: the keys whose values begin a line.
        show: returns the words of a cell from its runs.
        title: the head of the first column; by default the key.
    """
    depths = sorted(cells["depth"].unique())
    lines = []
    for names, own in cells.groupby(rows, observed=True, sort=False):
        shown = [show(own[own["depth"] == depth]) for depth in depths]
        lines.append([*map(str, names), *shown])
    heads = [title or rows[0], *rows[1:], f"depth {depths[0]}", *map(str, depths[1:])]
    return table(" | ".join(heads), lines)


def first_to_last(runs: pd.DataFrame) -> str:
    """Return the geometric mean of the first layer's gradient over the last one's, before training.

    It is "out of range" where a gradient is 0 or not finite in some draw.
    """
    mean = geometric_mean(runs["start/gradient_first_to_last"])
    return digits(mean) if math.isfinite(mean) else "out of range"


def forecast_score(cells: pd.DataFrame) -> str:
    """Return how often the forecast was right, where it made one."""
    known = cells.dropna(subset=["trains", "trained"]).astype({"trains": bool, "trained": bool})
    right = (known["trains"] == known["trained"]).sum()
    return f"The forecast was right for {right} of {len(known)} runs"


def pattern(text: str) -> re.Pattern[str]:
    """Return what finds a phrase whatever its numbers are and wherever its lines end."""
    words = [r"\s+".join(map(re.escape, part.split(" "))) for part in NUMBER.split(text)]
    return re.compile(f"({NUMBER.pattern})".join(words))


def find(text: str, section: str) -> str | None:
    """Return the part of a section that stands for a computed table or phrase, or None."""
    if text.startswith("|"):
        header = re.escape(text.splitlines()[0])
        found = re.search(rf"^{header}\n(?:\|.*(?:\n|\Z))+", section, re.M)
        return found[0].rstrip("\n") if found else None
    matches = list(pattern(text).finditer(section))
    exact = [match[0] for match in matches if " ".join(match[0].split()) == text]
    return exact[0] if exact else matches[0][0] if len(matches) == 1 else None


def near(found: str, text: str, tolerance: float) -> bool:
    """Whether two texts have the same words, and numbers that differ by at most the tolerance.

    A number may differ by `tolerance` times the larger of 1 and its own size.
    """
    if NUMBER.sub("0", " ".join(found.split())) != NUMBER.sub("0", " ".join(text.split())):
        return False
    pairs = zip(NUMBER.findall(found), NUMBER.findall(text), strict=True)
    return all(
        a == b or abs(float(a) - float(b)) <= tolerance * max(1, abs(float(b))) for a, b in pairs
    )


def replaced(found: str, text: str) -> str:
    """Return the computed text, broken into lines where the one that was found is."""
    if text.startswith("|"):
        return text
    numbers = iter(NUMBER.findall(text))
    return NUMBER.sub(lambda _: next(numbers), found)


def section_of(name: str, readme: str) -> str:
    """Return the section of the README that is about a study."""
    found = re.search(rf"^###? {re.escape(name)}\n.*?(?=^##|\Z)", readme, re.M | re.S)
    if found is None:
        raise SystemExit(f"experiments/README.md has no section {name}")
    return found[0]


@dataclass
class Report:
    """What a section and its runs have in common.

    Attributes:
        differences: a message for each text that was not found or has other numbers.
        section: the section with the computed numbers.
        unchecked: the lines of the section with numbers that no text covers.
    """

    differences: list[str]
    section: str
    unchecked: list[str]


def compare(texts: Iterable[str], section: str, tolerance: float = 0.0) -> Report:
    """Compare the tables and phrases that a study's runs yield with its section."""
    differences, rest = [], section
    for text in texts:
        found = find(text, section)
        if found is None:
            differences.append(f"not found:\n{text}")
            continue
        rest = rest.replace(found, "")
        if not near(found, text, tolerance):
            differences.append(f"found:\n{found}\ncomputed:\n{replaced(found, text)}")
            section = section.replace(found, replaced(found, text))
    prose = [line for line in rest.splitlines() if not line.startswith(("#", "!", "    "))]
    return Report(differences, section, [line for line in prose if NUMBER.search(line)])


def check(study: Study, readme: str, tolerance: float = 0.0) -> Report:
    """Compare the section of a study with what its runs say."""
    findings = run_path(str(HERE / "findings" / f"{study.name}.py"))["findings"]
    return compare(findings(study), section_of(study.name, readme), tolerance)


def main() -> int:
    """Check the studies named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", metavar="STUDY")
    parser.add_argument("--write", action="store_true", help="put the computed numbers in")
    parser.add_argument("--unchecked", action="store_true", help="print what nothing computes")
    parser.add_argument("--tolerance", type=float, default=0.0, help="for another processor")
    given = parser.parse_args()
    there = [path.stem for path in sorted((HERE / "findings").glob("*.py"))]
    names = given.studies or [name for name in there if (Path("runs") / name).is_dir()]
    wrong = 0
    for name in names:
        readme = README.read_text()
        report = check(Study(name), readme, given.tolerance)
        print(f"{name}: {len(report.differences)} differences", *report.differences, sep="\n")
        wrong += len(report.differences)
        if given.write:
            README.write_text(readme.replace(section_of(name, readme), report.section))
        if given.unchecked and report.unchecked:
            print("not checked:", *report.unchecked, sep="\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
