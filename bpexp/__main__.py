"""`python -m bpexp`: Hydra's entry, with errors in one line and help of its own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from bpexp.errors import BpexpError, one_of

PACKAGE = Path(__file__).parent


def main() -> None:
    """Run the command line and exit: 0 done, 1 a run failed, 2 refused, 130 or 143 interrupted."""
    if any(argument in ("--help", "-h") for argument in sys.argv[1:]):
        from bpexp.help import text

        print(text())
        return
    try:
        code = _run()
    except BpexpError as error:
        print(error, file=sys.stderr)
        code = 2
    sys.exit(code)


def tree(name: str) -> Path:
    """Return conf/ or experiments/: inside the package in a wheel, beside it in a checkout."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def _run() -> int:
    """Let Hydra compose and run; its refusals become ours."""
    # Hydra prints its own errors and exits with 1 unless this is set; then it raises them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    from bpexp.sweep.conduct import conduct
    from bpexp.sweep.hydra import register, register_experiments, to_config

    register()
    register_experiments(tree("experiments"))
    codes = []

    def task(composed: DictConfig) -> float | None:
        outcome = conduct([to_config(composed)], root=Path.cwd(), multirun=False)
        codes.append(outcome.code)
        return outcome.scores[0]

    try:
        entry: Any = hydra.main(
            version_base="1.3", config_path=str(tree("conf").resolve()), config_name="config"
        )
        entry(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise BpexpError(_reworded(error)) from None
    return max(codes, default=0)


def _reworded(error: Exception) -> str:
    """Put Hydra's refusal into one line, naming the nearest match where it is about a name."""
    from bpexp.schema import KEYS, Group

    message = str(error)
    if found := re.search(r"[Cc]ould not override '([^']*)'", message):
        key = found[1]
        group, _, parameter = key.partition(".")
        if parameter and isinstance(KEYS.get(group), Group):
            return f"{key}: not a parameter of the chosen {group}"
        return one_of("key", key, KEYS)
    if found := re.search(r"[Cc]ould not (?:find|load) '([\w/]+)/([^'/]*)'", message):
        options = re.findall(r"^\t(\S+)$", message, re.MULTILINE)
        return one_of(found[1], found[2], options)
    return " ".join(message.split())


if __name__ == "__main__":
    main()
