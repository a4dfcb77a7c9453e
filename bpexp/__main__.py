"""`python -m bpexp`."""

import sys

from bpexp.entry import start


def main() -> None:
    """Run the command line and exit; `bpexp.command_line.main` lists the exit codes."""
    if sys._getframe(1).f_globals.get("__name__") != "__mp_main__":
        start("bpexp.command_line")
    # A worker process imports the program again, for what it registers.


if __name__ == "__main__":
    main()
