"""One BLAS thread on all sides, and the table at the end."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Before anything loads a BLAS; XLA and torch take theirs here too.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled once
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import harness  # noqa: E402
import pytest  # noqa: E402


def pytest_addoption(parser):
    parser.addoption(
        "--table", type=Path, default=Path(".benchmarks"), help="folder of ratios.json, ratios.md"
    )


def pytest_terminal_summary(terminalreporter, config):
    if harness.ROWS:
        terminalreporter.section("ratios of medians of interleaved runs")
        terminalreporter.write_line(harness.text())
        harness.write(config.getoption("--table"))
        terminalreporter.write_line(f"written to {config.getoption('--table')}/ratios.json and .md")


@pytest.fixture(scope="session")
def one_core():
    """Keep this process on one core: what XLA does with two is not what is compared."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    yield
    os.sched_setaffinity(0, before)
