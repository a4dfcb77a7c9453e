"""`python -m bpexp.sync`: copy recorded runs into MLflow."""

from __future__ import annotations

import sys

from bpexp.tracking.command import main

if __name__ == "__main__":
    sys.exit(main())
