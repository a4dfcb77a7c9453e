"""`python -m bpexp.report`: write the report of a study."""

from bpexp.entry import start

if __name__ == "__main__":
    start("bpexp.report.command")
