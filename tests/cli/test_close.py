"""The question of `close --stale`, as whoever sits there answers it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

ASKING = """
import asyncio
from portmapper.cli.close import _confirmed

async def ask():
    print("agreed" if _confirmed(2) else "refused", flush=True)

try:
    asyncio.run(ask())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture
def asking():
    """A program that has asked, and waits for the answer."""
    with subprocess.Popen(
        [sys.executable, "-c", ASKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        question = "Close these 2? [y/N] "
        assert program.stdout.read(len(question)) == question
        yield program
        program.kill()


@pytest.mark.parametrize(
    ("line", "answer"),
    [("y\n", "agreed"), ("YES \n", "agreed"), ("n\n", "refused"), ("\n", "refused"), ("", "refused")],
)
def test_only_yes_is_a_yes(asking, line, answer):
    """An empty line and the end of the input are a no."""
    assert asking.communicate(line, timeout=60)[0].strip() == answer


def test_one_ctrl_c_ends_the_question(asking):
    """Within the event loop, which would only take note of it."""
    asking.send_signal(signal.SIGINT)
    assert asking.stdout.read().strip() == "interrupted"
