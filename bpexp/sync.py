"""`python -m bpexp.sync`: copy recorded runs into MLflow."""

from bpexp.entry import start

if __name__ == "__main__":
    start("bpexp.tracking.command")
