"""`python -m bpexp`: Hydra's entry, with errors in one line and help of its own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from bpexp.errors import BpexpError, StorageError

PACKAGE = Path(__file__).parent


def main() -> None:
    """Run the command line and exit: 0 done, 1 a run failed, 2 refused, 130 or 143 interrupted."""
    try:
        if any(argument in ("--help", "-h") for argument in sys.argv[1:]):
            from bpexp.config.help import text

            print(text(tree("conf")))
            code = 0
        else:
            code = _run()
    except BpexpError as error:
        print(error, file=sys.stderr)
        code = 1 if isinstance(error, StorageError) else 2
    except MemoryError as error:
        print(f"out of memory: {error or 'a smaller network, batch or data set'}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:  # before or after training, which has handlers of its own
        code = 130
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def tree(name: str) -> Path:
    """Return conf/ or experiments/: inside the package in a wheel, beside it in a checkout."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def _run() -> int:
    """Refuse what the words alone condemn, then let Hydra compose and run."""
    from hydra._internal.utils import get_args_parser

    from bpexp.config import overrides

    given = get_args_parser().parse_args(sys.argv[1:])
    studies = tree("experiments")
    if given.config_path or given.config_name or given.config_dir:
        overrides.parsed(given.overrides)  # what the groups hold there is known to Hydra only
    else:
        overrides.refuse(
            given.overrides, multirun=given.multirun, conf=tree("conf"), studies=studies
        )
    # Hydra prints its own errors and exits with 1 unless this is set; then it raises them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    import hydra
    from hydra.errors import HydraException
    from omegaconf import DictConfig
    from omegaconf.errors import OmegaConfBaseException

    from bpexp.sweep.hydra import register, register_experiments, single

    register()
    # To read them all takes as long as to compose a run; only these words can ask for one.
    flags = {"-m", "--multirun"}
    others = [word for word in sys.argv[1:] if word not in flags]
    if any("experiment" in word or word.startswith("-") for word in others):
        register_experiments(studies)
    codes: list[int] = []
    refusals: list[Exception] = []

    def task(composed: DictConfig) -> float | None:
        try:
            outcome = single(composed)
        except (BpexpError, OmegaConfBaseException) as error:
            refusals.append(error)  # raised here, Hydra would print a line of its own before it
            return None
        codes.append(outcome.code)
        return outcome.scores[0]

    try:
        base = {"version_base": "1.3"} if hydra.__version__.startswith("1.3") else {}
        entry: Any = hydra.main(
            config_path=str(tree("conf").resolve()), config_name="config", **base
        )
        entry(task)()
        if refusals:
            raise refusals[0]
    except (HydraException, OmegaConfBaseException) as error:
        raise BpexpError(_reworded(error)) from None
    return max(codes, default=0)


def _reworded(error: Exception) -> str:
    """Put Hydra's refusal of what was composed into one line."""
    message = str(error)
    if found := re.search(r"[Cc]ould not override '([^'.]*)\.([^']*)'", message):
        group, key = found.groups()
        wrong = "no such key" if group == "hydra" else f"not a parameter of the chosen {group}"
        return f"{group}.{key}: {wrong}"
    if place := getattr(error, "full_key", None):
        return f"{place}: {message.splitlines()[0]}"
    return " ".join(message.split())


if __name__ == "__main__":
    main()
