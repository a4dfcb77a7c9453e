"""Ctrl-C at any moment of a command's start ends it without a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest

COMMANDS = ("bpexp", "bpexp.sync", "bpexp.report")
# A finder that sends SIGINT to its own process when a module is looked for.
PRESSED = """
import os, runpy, signal, sys
awaited, module = sys.argv[1:3]
class Press:
    def find_spec(name, path, target=None):
        if name == awaited:
            print("pressed", flush=True)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press)
sys.argv[1:] = sys.argv[3:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def pressed_at(name, module, folder, *words):
    return subprocess.run(
        [sys.executable, "-c", PRESSED, name, module, *words],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize("name", ["bpexp.console", "bpexp.secrets", "numpy", "numpy.linalg"])
def test_while_modules_load(module, name, tmp_path):
    done = pressed_at(name, module, tmp_path, "--help")
    if "pressed" in done.stdout:  # else the command does not need the module
        assert (done.returncode, done.stderr) == (130, "")
    else:
        assert name.startswith("numpy")


@pytest.mark.parametrize("name", ["hydra", "hydra.core.config_loader", "sklearn", "bpexp.training"])
def test_between_loading_and_training(name, tmp_path):
    done = pressed_at(name, "bpexp", tmp_path, "tracking=off", "epochs=1", "data.limit=128")
    assert (done.stdout, done.returncode, done.stderr) == ("pressed\n", 130, "")
