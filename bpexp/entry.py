"""Start a command so that Ctrl-C ends it without a traceback, also while its modules load."""

import sys
from importlib import import_module
from typing import NoReturn


def start(module: str) -> NoReturn:
    """Import a module, call its `main` and exit with the code that it returns.

    The code is 130, which shells know as ended by Ctrl-C, if KeyboardInterrupt is raised.

    Args:
        module: the dotted name of the module.
    """
    try:
        code = import_module(module).main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
