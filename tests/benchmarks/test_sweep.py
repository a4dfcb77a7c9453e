"""The sweep around the step: against the plain way, its start, its workers, its memory."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import harness
import pytest
from harness import row
from helpers import ROOT
from timed import Timed
from workers import span

from bpexp.record.history import read
from bpexp.record.layout import JOURNAL

HERE = Path(__file__).parent
SHAPE = ("depth=2", "width=32", "epochs=5", "batch_size=32")
RATES = ",".join(f"{0.005 * i:.3f}" for i in range(1, 21))
IMPORTS = "import hydra, mlflow, bpexp.figures, bpexp.sweeping.driver"
PLAIN_SEEDS = 1  # the plain way does 20 runs a seed; more are extrapolated
PLAIN = str(HERE / "plain_sweep.py")
ROUNDS = 3


def grid(seeds: int) -> tuple[str, ...]:
    """20 learning rates by `seeds` seeds."""
    return (*SHAPE, f"lr={RATES}", f"seed={','.join(map(str, range(seeds)))}")


def ours(folder: Path, *words: str) -> Timed:
    return Timed(folder, "-m", "bpexp", "-m", *words, "progress=false")


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """100 runs of ours, one and 20 of the plain way (if there is torch), in turn and warmed up."""
    folder = tmp_path_factory.mktemp("sides")
    ours(folder / "warm", *SHAPE, "lr=0.1,0.2")
    commands = {"hundred": lambda place: ours(place, *grid(5))}
    if find_spec("torch"):
        Timed(folder / "plain warm", PLAIN, "-m", "lr=0.1")
        commands["one"] = lambda place: Timed(place, PLAIN, "-m", *SHAPE, "lr=0.1")
        commands["many"] = lambda place: Timed(place, PLAIN, "-m", *grid(PLAIN_SEEDS))
    rounds = [
        {name: command(folder / f"{name} {number}") for name, command in commands.items()}
        for number in range(ROUNDS)
    ]
    return {name: [taken[name] for taken in rounds] for name in commands}


@pytest.fixture(scope="module")
def hundred(sides):
    return sorted(sides["hundred"], key=lambda timed: timed.summary)[ROUNDS // 2]


@pytest.fixture(scope="module")
def thousand(tmp_path_factory, hundred):
    return ours(tmp_path_factory.mktemp("thousand"), *grid(50))


@pytest.fixture(scope="module")
def plain(sides):
    """(start, a run): seconds of the plain way, from a sweep of one run and one of more."""
    if "many" not in sides:
        pytest.skip("torch is not installed: no plain way to compare with")
    one, many = (
        statistics.median(timed.seconds for timed in sides[name]) for name in ("one", "many")
    )
    each = (many - one) / (20 * PLAIN_SEEDS - 1)
    return one - each, each


@pytest.mark.parametrize(
    ("runs", "drawn", "mirrored"), [(100, ">= 8", ">= 6"), (1000, ">= 12", ">= 8")]
)
def test_against_the_plain_way(request, plain, runs, drawn, mirrored):
    timed = request.getfixturevalue({100: "hundred", 1000: "thousand"}[runs])
    start, each = plain
    expected = start + runs * each
    for until, seconds, target in (
        ("summary and figures", timed.summary, drawn),
        ("all is in MLflow", timed.seconds, mirrored),
    ):
        row(
            "sweep: times faster than the plain way",
            f"{runs} runs, until {until}",
            expected / seconds,
            target,
            f"{seconds:.1f} s; plain {start:.1f} s + {each:.2f} s a run, "
            f"measured on {20 * PLAIN_SEEDS} runs and extrapolated: {expected:.0f} s",
        )


@pytest.mark.parametrize("runs", [100, 1000])
def test_until_everything_is_in_mlflow(request, tmp_path, runs):
    timed = request.getfixturevalue({100: "hundred", 1000: "thousand"}[runs])
    imports = Timed(tmp_path / "imports", "-c", IMPORTS).seconds
    workers = len(os.sched_getaffinity(0))
    training = sum(
        read(path.parent).end["seconds"] for path in (timed.folder / "runs").glob(f"*/*/{JOURNAL}")
    )
    script = str(HERE / "mlflow_writes.py")
    place = tmp_path / "writes"
    writes = float(Timed(place, script, str(timed.folder / "runs" / "bpexp"), str(place)).last)
    parts = imports + training / workers + writes
    row(
        "sweep: time against start + training + MLflow's writing",
        f"{runs} runs, until all is in MLflow",
        timed.seconds / parts,
        "<= 1.5",
        f"{timed.seconds:.1f} s / ({imports:.1f} + {training / workers:.1f} + {writes:.1f}) s",
    )


@pytest.mark.parametrize("runs", [100, 1000])
def test_the_end_of_a_sweep(request, runs):
    """What follows the last run: reading the record, the summary and the figures."""
    timed = request.getfixturevalue({100: "hundred", 1000: "thousand"}[runs])
    journals = (timed.folder / "runs").glob(f"*/*/{JOURNAL}")
    last = max(read(path.parent).end["time"] for path in journals)
    after = timed.begun + timed.summary - last
    row(
        "sweep: from the last run's end to the figures, share of all",
        f"{runs} runs",
        after / timed.summary,
        "",
        f"{after:.1f} of {timed.summary:.1f} s",
    )


def test_memory(hundred, thousand):
    ratio = thousand.memory / hundred.memory
    detail = f"{thousand.memory / 2**20:.0f} / {hundred.memory / 2**20:.0f} MiB"
    row("peak memory of the largest process", "1000 runs against 100", ratio, "<= 1.2", detail)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("8 runs of one shape", ("depth=8", "epochs=150", "seed=0,1,2,3,4,5,6,7")),
        (
            "16 runs of one shape",
            ("depth=8", "epochs=100", f"seed={','.join(map(str, range(16)))}"),
        ),
        ("8 runs of 8 shapes", ("depth=5,6,7,8", "width=60,64", "epochs=150")),
    ],
)
def test_two_workers(tmp_path, what, words):
    """One worker and two train the same stacks."""

    def alone(folder: Path, jobs: int) -> float:
        return float(Timed(folder, str(HERE / "workers.py"), str(jobs), ".", *words).last)

    def sweep(folder: Path, jobs: int) -> float:
        ours(folder, *words, "tracking=off", f"jobs={jobs}")
        return span(folder)

    if len(os.sched_getaffinity(0)) < 2:
        row("throughput of two workers against one", what, "one core only", ">= 1.8")
        return
    for how, measure in (("", alone), (", beside a sweep's imports", sweep)):
        spans = {1: [], 2: []}
        for number in range(3):
            for jobs, seconds in spans.items():
                seconds.append(measure(tmp_path / f"{measure.__name__}-{number}-{jobs}", jobs))
        one, two = (statistics.median(seconds) for seconds in spans.values())
        row(
            "throughput of two workers against one",
            f"{what}, B=16{how}",
            one / two,
            ">= 1.8",
            f"{one:.1f} / {two:.1f} s",
        )


def test_start(benchmark, tmp_path):
    def command(*words: str):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return lambda: subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=False,
        )

    medians = harness.interleaved(
        benchmark,
        command("-c", "import hydra, numpy"),
        {
            "--help": command("-m", "bpexp", "--help"),
            "a refused word": command("-m", "bpexp", "activation=rleu"),
            "a refused combination": command("-m", "bpexp", "-m", "frozen=0,9"),
            "a refused job of a study": command(
                "-m", "bpexp", "-m", "experiment=vanishing", "frozen=9"
            ),
        },
        rounds=9,
    )
    for what in (name for name in medians if name != "ours"):
        detail = f"{medians[what]:.2f} / {medians['ours']:.2f} s"
        ratio = medians[what] / medians["ours"]
        row("start against import hydra, numpy", what, ratio, "<= 1.5", detail)


@contextmanager
def hanging_server():
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_hangs_slows_nothing(tmp_path):
    """Both mirrors import MLflow beside the training; only one of them gets an answer."""
    words = ("depth=8", "epochs=100", "seed=0,1,2,3", "log_model=none")
    spans: dict[str, list[float]] = {"hanging": [], "local": []}
    os.environ |= {"MLFLOW_HTTP_REQUEST_TIMEOUT": "2", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    with hanging_server() as address:
        for number in range(3):
            for name, tracking in (
                ("hanging", f"tracking.uri={address}"),
                ("local", "tracking=mlflow"),
            ):
                folder = tmp_path / f"{name}-{number}"
                ours(folder, *words, tracking)
                spans[name].append(span(folder))
    hanging, local = (statistics.median(spans[name]) for name in ("hanging", "local"))
    detail = f"{hanging:.2f} / {local:.2f} s of training"
    row("training beside a server that hangs", "against a local store", hanging / local, "", detail)
