"""Packages that register rows: those with an entry point in the group `bpexp.plugins`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from bpexp.console import warn
from bpexp.errors import reason
from bpexp.register import rows

GROUP = "bpexp.plugins"


@cache
def load_plugins() -> None:
    """Import the module of each entry point once per process; its import registers rows.

    A plug-in that cannot be imported is reported in one line and left out, because runs may not
    need it.
    """
    for point in entry_points(group=GROUP):
        package = f"{point.dist.name}=={point.dist.version}" if point.dist else point.value
        rows._loading.append(package)
        try:
            point.load()
        except Exception as error:  # of any kind: the code is another package's
            warn(f"plug-in {point.name} of {package} is left out: {reason(error)}")
        finally:
            rows._loading.pop()
