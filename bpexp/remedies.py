"""`python -m bpexp.remedies STUDY RUN`: train a run with changes, and print which of them train.

Who imports this file as a module calls it as the function `bpexp.remedies`, whose name it has.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from bpexp.entry import start


class _Callable(ModuleType):
    """A module that is called as the function of its name."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return import_module("bpexp.remedying").remedies(*args, **kwargs)


if __name__ == "__main__":
    sys.argv[1:1] = ["remedies"]
    start("bpexp.command_line")
else:
    sys.modules[__name__].__class__ = _Callable
