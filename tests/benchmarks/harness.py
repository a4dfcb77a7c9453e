"""What the benchmarks share: interleaved timings, and the table of ratios they end in."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "torch", "scikit-learn", "jax", "hydra-core", "mlflow")


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        section: what is compared.
        what: the case.
        value: the measured ratio, or the reason why there is none.
        target: what it should be, such as '<= 1.5' or '>= 3'; empty where nothing is asked.
        detail: the absolute numbers behind it.
    """

    section: str
    what: str
    value: float | str
    target: str = ""
    detail: str = ""

    @property
    def reached(self) -> str:
        if not self.target or isinstance(self.value, str):
            return ""
        sign, bound = self.target.split()
        good = self.value <= float(bound) if sign == "<=" else self.value >= float(bound)
        return "yes" if good else "no"

    def cells(self) -> tuple[str, ...]:
        value = self.value if isinstance(self.value, str) else f"{self.value:.3g}"
        return self.section, self.what, value, self.target, self.reached, self.detail


HEADER = ("comparison", "case", "ratio", "target", "reached", "behind it")
ROWS: list[Row] = []


def row(section: str, what: str, value: float | str, target: str = "", detail: str = "") -> None:
    """Add a line to the table that the session prints at its end."""
    ROWS.append(Row(section, what, value, target, detail))


def interleaved(
    benchmark, ours: Callable[[], object], peers: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, float]:
    """Time all in turn, round after round, and return each one's median in seconds.

    What disturbs the machine for a while then disturbs all alike. `ours` is timed by
    pytest-benchmark, with the peers in the setup of each of its rounds; one round before warms up.
    """
    times: dict[str, list[float]] = {name: [] for name in peers}

    def time_peers() -> None:
        for name, peer in peers.items():
            start = time.perf_counter()
            peer()
            times[name].append(time.perf_counter() - start)

    benchmark.pedantic(ours, setup=time_peers, rounds=rounds, warmup_rounds=1)
    medians = {name: statistics.median(seconds[1:]) for name, seconds in times.items()}
    benchmark.extra_info["peers"] = medians
    return {"ours": benchmark.stats.stats.median, **medians}


def machine() -> dict[str, object]:
    """Describe in general terms what the numbers were measured on."""
    import os

    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        **found,
    }


def markdown() -> str:
    """Return the table and what it was measured on, in Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *(line.cells() for line in ROWS)]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    told = ", ".join(f"{key} {value}" for key, value in machine().items())
    return f"{table}\n\n{told}\n"


def text() -> str:
    """Return the table for a terminal."""
    lines = [HEADER, *(line.cells() for line in ROWS)]
    widths = [max(len(cells[i]) for cells in lines) for i in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in lines
    )


def write(folder: Path) -> None:
    """Write the table as ratios.json and ratios.md."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [asdict(line) | {"reached": line.reached} for line in ROWS]
    (folder / "ratios.json").write_text(json.dumps({"on": machine(), "rows": lines}, indent=1))
    (folder / "ratios.md").write_text(markdown())
