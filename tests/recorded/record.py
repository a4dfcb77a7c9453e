"""Record the numbers of a few small runs: `python tests/recorded/record.py` writes values.json.

The runs cover every activation, cost, optimizer and initialization, both precisions and all that
decides how a run is trained. They are made by the command line and read from the files that it
leaves, so that they can be repeated whatever the package looks like inside. Record anew when the
algorithm's number is raised: identities and numbers then change, and nothing else may change them.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from numpy.lib.introspect import opt_func_info
from threadpoolctl import threadpool_info

VALUES = Path(__file__).with_name("values.json")
GROUPS = {"data", "activation", "init", "cost", "optimizer", "stop"}
SMALL = "data.limit=96 width=8 epochs=2"
STACK = "depth=2 batch_size=20 epochs=3"  # of one shape: they are trained in lockstep
CASES = {
    "linear": "activation=identity init=normal init.std=0.3 depth=2 probe.jacobian=2",
    "sigmoid": "activation=sigmoid init=glorot_normal depth=5 dtype=float64 probe.jacobian=2 "
    "cost=binary_cross_entropy optimizer=momentum optimizer.weight_decay=0.001",
    "frozen": "activation=tanh init=orthogonal init.gain=1.1 init.bias_std=0.05 depth=5 frozen=2 "
    "optimizer=nesterov optimizer.clip_norm=0.5",
    "every": "activation=softsign init=standard depth=2 dtype=float64 batch_size=10 probe.every=7 "
    "cost=squared_error",
    "parity": "activation=softplus init=lecun_normal depth=1 data=parity batch_size=36 "
    "cost=squared_error cost.output=identity cost.factor=0.5",
    "adam": "activation=leaky activation.negative_slope=0.2 init=he_uniform depth=2 lr=0.01 "
    "optimizer=adam optimizer.clip_norm=1.0",
    "cost": "activation=elu activation.alpha=0.7 init=glorot_uniform depth=2 epochs=9 "
    "stop=cost stop.target=2.1",
    "gaussian": "activation=selu init=mean_field init.sigma_w2=1.5 init.sigma_b2=0.05 depth=5 "
    "dtype=float64 data=gaussian data.features=20 probe.jacobian=2 probe.examples=50",
    "patience": "activation=silu init=lsuv depth=2 epochs=9 stop=patience stop.epochs=2 "
    "stop.min_delta=10.0 batch_size=25",
    "accuracy": "activation=gelu init=uniform init.bound=0.4 depth=2 dtype=float64 epochs=9 "
    "lr=0.01 optimizer=adam optimizer.weight_decay=0.01 stop=accuracy stop.target=0.3",
    "shallow": "depth=0 dtype=float64 batch_size=7",
    "parity64": "activation=sigmoid init=glorot_normal depth=1 dtype=float64 data=parity "
    "batch_size=1000 probe.every=0 lr=1.0",
    "looks": "depth=5 init=he_normal init.bias_std=0.1 epochs=0 probe.jacobian=2",
    "stack_a": f"{STACK} seed=0 lr=0.05",
    "stack_b": f"{STACK} seed=1 lr=0.05",
    "stack_c": f"{STACK} seed=0 lr=3.0",
    "stack_d": f"{STACK} seed=2 lr=1e+9",  # diverges
    "stack_e": f"{STACK} seed=3 lr=0.2 init=orthogonal",
    "resumed": "activation=tanh init=glorot_normal depth=2 batch_size=10 epochs=400 seed=7 lr=0.01 "
    "optimizer=adam probe.every=13",
}
HARNESS = "study=recorded tracking=off progress=false jobs=1".split()


def environment() -> dict[str, str]:
    """Return what the last bits of a run depend on beside its configuration."""
    targets = opt_func_info(func_name="^exp$", signature="^(float32|float64)$")["exp"]
    return {
        "numpy": np.__version__,
        "blas": " ".join(
            f"{lib['version']} {lib.get('architecture', '')}"
            for lib in threadpool_info()
            if lib["user_api"] == "blas" and "numpy" in lib["filepath"]
        ),
        "simd": " ".join(sorted({target["current"] for target in targets.values()})),
        "libc": " ".join(platform.libc_ver()),
    }


def study(root: Path) -> Path:
    """Train all cases below `root` and return the study's folder.

    One of them is stopped as Ctrl-C does, and goes on when the others are trained. What a command
    does after training, above all drawing, takes longer than the training and adds nothing here:
    the process is killed before it.
    """
    for name, words in CASES.items():
        _write_case(root / "cases" / "case" / f"{name}.yaml", f"{SMALL} {words}".split())
    folder = root / "runs" / "recorded"
    with _command("resumed", root) as process:
        _await(process, lambda: [n > 4 for n in map(len, _journals(folder))] == [True])
        process.send_signal(signal.SIGINT)
        _await(process, lambda: _ends(folder) == ["KILLED"])
    with _command(",".join(CASES), root) as process:
        _await(process, lambda: _ends(folder) == ["FINISHED"] * len(CASES))
    return folder


def found(folder: Path) -> dict[str, dict]:
    """Return the lines and weights of every run of a study, by identity."""
    runs = {}
    for path in sorted(folder.glob("*/journal.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        with np.load(path.with_name("weights.npz"), allow_pickle=False) as file:
            theta = {key: file[key] for key in sorted(file.files) if key.startswith("theta")}
        runs[path.parent.name] = {"lines": lines, "theta": theta}
    return runs


def summary(run: dict, keys: dict | None = None) -> dict:
    """Return what is recorded of a run: the numbers under `keys`, by default all it has."""
    start, end = run["lines"][0], run["lines"][-1]
    seen = [line for line in run["lines"] if line["kind"] == "observation"]
    keys = keys or {
        "metrics": sorted(seen[0]["metrics"]),
        "layers": sorted(seen[0]["layers"]),
        "spectra": _spectra(seen[0]) is not None,
    }
    numbers = [_numbers(line, keys) for line in seen]
    return {
        "identity": start["identity"],
        "dtype": start["config"]["dtype"],
        "sizes": start["sizes"],
        "chance": start["chance"],
        "ends": [line["status"] for line in run["lines"] if line["kind"] == "end"],
        "verdict": end["verdict"],
        "evidence": end["evidence"],
        "diverged_at": end["diverged_at"],
        "keys": keys,
        "observations": len(seen),
        "sha256": _sha256(json.dumps(numbers, sort_keys=True).encode()),
        "first": numbers[0],
        "last": numbers[-1],
        "theta": {
            name: {
                "sha256": _sha256(values.tobytes()),
                "norm": math.sqrt(float(np.square(values, dtype=np.float64).sum())),
            }
            for name, values in run["theta"].items()
        },
    }


def _numbers(line: dict, keys: dict) -> list:
    """Return [step, epoch, metrics, layers, spectra] of an observation, as far as in `keys`."""
    parts = [
        {name: value for name, value in (line[part] or {}).items() if name in keys[part]}
        for part in ("metrics", "layers")
    ]
    return [line["step"], line["epoch"], *parts, _spectra(line) if keys["spectra"] else None]


def _spectra(line: dict) -> list | None:
    """Return the Jacobian's singular values, which version 0.1 kept under a key of their own."""
    return line.get("spectra", line.get("arrays", {}).get("jacobian_spectrum"))


def _write_case(path: Path, words: list[str]) -> None:
    """Write a choice of Hydra's that sets what the words set; of two of one key the last holds."""
    tree: dict = {}
    for word in words:
        key, value = word.split("=")
        group, _, parameter = key.partition(".")
        if parameter:
            tree.setdefault(group, {})[parameter] = yaml.safe_load(value)
        elif group in GROUPS:
            tree.setdefault("defaults", {})[f"override /{group}"] = value
        else:
            tree[group] = yaml.safe_load(value)
    tree["defaults"] = [{key: value} for key, value in tree.pop("defaults", {}).items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# @package _global_\n{yaml.safe_dump(tree, sort_keys=False)}")


@contextmanager
def _command(cases: str, root: Path) -> Iterator[subprocess.Popen]:
    """Start a command below `root`, and kill it in the end."""
    words = ["-m", "bpexp", "-m", "--config-dir", "cases", f"+case={cases}", *HARNESS]
    with (root / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=root, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen, there: Callable[[], bool]) -> None:
    """Wait until the process has left something there."""
    deadline = time.monotonic() + 300
    while not there():
        if process.poll() is not None and not there():
            raise RuntimeError(f"the command ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError("the command takes too long")
        time.sleep(0.001)


def _journals(folder: Path) -> list[list[bytes]]:
    """Return the whole lines of each journal of a study."""
    return [path.read_bytes().split(b"\n")[:-1] for path in folder.glob("*/journal.jsonl")]


def _ends(folder: Path) -> list[str]:
    """Return the statuses of the runs that have ended."""
    lasts = [json.loads(lines[-1]) for lines in _journals(folder) if lines]
    return [line["status"] for line in lasts if line["kind"] == "end"]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Write values.json."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {identity: summary(run) for identity, run in found(study(Path(folder))).items()}
    VALUES.write_text(json.dumps({"environment": environment(), "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
