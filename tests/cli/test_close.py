"""The confirmation of `close --stale`."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import asyncio
from portmapper.cli.close import _confirmed

async def confirm():
    print("confirmed" if _confirmed(2) else "refused", flush=True)

try:
    asyncio.run(confirm())
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture
def prompt():
    """A process that has printed the question and waits for the answer."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        question = "Close these 2? [y/N] "
        assert program.stdout.read(len(question)) == question
        yield program
        program.kill()


@pytest.mark.parametrize(
    ("line", "answer"),
    [("y\n", "confirmed"), ("YES \n", "confirmed"), ("n\n", "refused"), ("\n", "refused"), ("", "refused")],
)
def test_only_yes_confirms(prompt, line, answer):
    """An empty line and the end of the input mean no."""
    assert prompt.communicate(line, timeout=60)[0].strip() == answer


def test_one_ctrl_c_ends_the_question(prompt):
    """The event loop's own handler would not interrupt the read."""
    prompt.send_signal(signal.SIGINT)
    assert prompt.stdout.read().strip() == "interrupted"
