"""Does every step of a sweep take time and memory in proportion to the runs and to the layers?"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml
from harness import row
from timed import Timed

from bpexp.record.layout import JOURNAL

RUNS = (10, 100, 1000, 5000)
DEPTHS = (2, 8, 32, 128)
RATES = ",".join(f"{0.02 * i:.2f}" for i in range(1, 11))
SMALL = ("width=16", "epochs=3", "study=scale", "progress=false")
LOADS = "import bpexp as b; b.load_runs('scale'); b.load_layers('scale'); b.load_curves('scale')"
STEPS = {
    "plan, nothing begun": lambda words: ("-m", "bpexp", "-m", *words, "plan=only"),
    "train": lambda words: ("-c", f"import bpexp; bpexp.sweep({as_call(words)})"),
    "plan, all finished": lambda words: ("-m", "bpexp", "-m", *words, "plan=only"),
    "write to MLflow": lambda words: ("-m", "bpexp.sync", "scale"),
    "load three frames": lambda words: ("-c", LOADS),
    "figures and report": lambda words: ("-m", "bpexp.report", "scale"),
}


def as_call(words: tuple[str, ...]) -> str:
    """The words of a command as arguments of `bpexp.sweep`."""
    pairs = (word.split("=", 1) for word in words)
    return ", ".join(f"{key}={yaml.safe_load(f'[{value}]')!r}" for key, value in pairs)


def mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


@cache
def steps(folder: Path, words: tuple[str, ...]) -> dict[str, Timed]:
    """Every step of a sweep, in a folder of its own."""
    return {name: Timed(folder, *step(words)) for name, step in STEPS.items()}


def journals(folder: Path) -> int:
    """The bytes of all journals."""
    return sum(path.stat().st_size for path in folder.glob(f"runs/*/*/{JOURNAL}"))


@pytest.fixture(scope="module")
def by_runs(tmp_path_factory):
    return {
        n: steps(
            tmp_path_factory.mktemp("scale") / str(n),
            (*SMALL, "depth=3", f"lr={RATES}", f"seed={','.join(map(str, range(n // 10)))}"),
        )
        for n in RUNS
    }


@pytest.fixture(scope="module")
def by_depth(tmp_path_factory):
    return {
        n: steps(
            tmp_path_factory.mktemp("scale") / str(n),
            (*SMALL, f"depth={n}", "activation=tanh", f"lr={RATES}", "seed=0,1"),
        )
        for n in DEPTHS
    }


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("fewer", "more"), [(100, 1000), (1000, 5000)])
def test_time_a_run(by_runs, step, fewer, more):
    """The start, which all have, is that of the smallest sweep."""
    least = by_runs[RUNS[0]][step].seconds
    each = {n: (by_runs[n][step].seconds - least) / (n - RUNS[0]) for n in (fewer, more)}
    taken = by_runs[more][step]
    each_ms = 1000 * each[more]
    detail = f"{taken.seconds:.1f} s, {mebibytes(taken.memory)}; {each_ms:.2f} ms a run"
    what, ratio = f"scale: time a run, {more} runs against {fewer}", each[more] / each[fewer]
    row(what, step, ratio, "<= 1.2", detail)


@pytest.mark.parametrize("step", STEPS)
def test_memory_a_run(by_runs, step):
    """What is left of a step's memory without that of the smallest sweep, a run."""
    least, fewer, more = (by_runs[n][step].memory for n in (RUNS[0], 1000, 5000))
    each = (more - least) / (5000 - RUNS[0])
    detail = (
        f"{more / 2**20:.0f} / {fewer / 2**20:.0f} / {least / 2**20:.0f} MiB for 5000, 1000, 10"
    )
    row("scale: KiB a run, 5000 runs", step, each / 1024, "", detail)


@pytest.mark.parametrize("step", STEPS)
def test_time_a_layer(by_depth, step):
    """128 layers against 32."""
    least = by_depth[DEPTHS[0]][step].seconds
    each = {n: (by_depth[n][step].seconds - least) / (n - DEPTHS[0]) for n in (32, 128)}
    seconds = " / ".join(f"{by_depth[n][step].seconds:.1f}" for n in DEPTHS)
    ratio = each[128] / each[32] if each[32] > 0.003 else "nothing measurable"
    detail = f"{seconds} s for 20 runs of {', '.join(map(str, DEPTHS))} layers"
    row("scale: time a layer, 128 layers against 32", step, ratio, "<= 1.2", detail)


def test_journals(by_runs, by_depth):
    size = {n: journals(taken["train"].folder) / n for n, taken in by_runs.items()}
    what, ratio = "scale: bytes of journals a run", size[5000] / size[100]
    row(what, "5000 runs against 100", ratio, "<= 1.2", f"{size[5000] / 1024:.1f} KiB a run")
    size = {n: journals(taken["train"].folder) / 20 / n for n, taken in by_depth.items()}
    what, ratio = "scale: bytes of journals a layer", size[128] / size[32]
    row(what, "128 layers against 32", ratio, "<= 1.2", f"{size[128] / 1024:.2f} KiB a run")
