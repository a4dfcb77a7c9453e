"""`bpexp.sweep` in a Jupyter kernel: the progress bar, workers, and the kernel's interrupt."""

from __future__ import annotations

import re
import time

import pytest
from jupyter_client.manager import start_new_kernel

CALL = """
import bpexp
study = bpexp.sweep(depth=[1, 2, 3, 4], width=8, data__limit=96, epochs={epochs}, jobs=2)
study
"""


@pytest.fixture
def kernel(tmp_path):
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def messages(client, request, seconds=120):
    """Yield the messages of a request until the kernel is idle again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        message = client.get_iopub_msg(timeout=seconds)
        if message["parent_header"].get("msg_id") == request:
            if message["content"].get("execution_state") == "idle":
                return
            yield message
    raise AssertionError("the kernel did not end")


def test_a_sweep_in_a_kernel_can_be_interrupted_and_goes_on(kernel):
    manager, client = kernel
    interrupted, error = False, None
    for message in messages(client, client.execute(CALL.format(epochs=10**6))):
        plain = message["content"].get("data", {}).get("text/plain", "")
        if not interrupted and re.search(r"[1-9]\d* of 4000000 epochs", plain):
            assert message["msg_type"] == "update_display_data"
            interrupted = True
            manager.interrupt_kernel()
        if message["msg_type"] == "error":
            error = message["content"]["ename"]
    assert (interrupted, error) == (True, "KeyboardInterrupt")

    outputs = [*messages(client, client.execute(CALL.format(epochs=2)))]
    assert "error" not in [message["msg_type"] for message in outputs], outputs
    (shown,) = (m for m in outputs if m["msg_type"] == "execute_result")
    assert "4 finished runs" in shown["content"]["data"]["text/plain"]
    assert shown["content"]["data"]["text/html"].count("<tr>") == 5
    (bar,) = (m for m in outputs if m["msg_type"] == "display_data")
    assert "<progress" in bar["content"]["data"]["text/html"]
