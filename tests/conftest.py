"""Settings of all tests."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

# Before NumPy is imported: tests run in several processes, one core each. A run's own key
# `threads` still decides how many threads train it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
sys.path.insert(0, str(Path(__file__).parent))

# A script's `pytest &` ignores SIGINT, and the commands that tests start would inherit that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
