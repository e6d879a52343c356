"""Which leases `close` asks gateways for, and the confirmation of `close --stale`."""

from __future__ import annotations

import signal
import subprocess
import sys
from ipaddress import ip_address

import pytest
from platforms import posix_only

from portmapper.api.model import Lease, Protocol
from portmapper.cli.close import leases_of

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


@posix_only("sends a signal of Unix")
def test_one_ctrl_c_ends_the_question(prompt):
    """The event loop's own handler would not interrupt the read."""
    prompt.send_signal(signal.SIGINT)
    assert prompt.stdout.read().strip() == "interrupted"


def lease(host: str, port: int) -> Lease:
    """A lease of this host's address."""
    return Lease(Protocol.TCP, ip_address(host), port, port, None, 600, False, "pcp", "pcp:192.168.1.1", b"1")


def test_a_port_that_several_addresses_have_is_closed_for_each() -> None:
    """Also one that is open over both IP versions."""
    leases = [lease("192.168.1.10", 80), lease("2001:db8::1", 80), lease("2001:db8::2", 80)]
    assert leases_of([(Protocol.TCP, 80)], [*leases, lease("192.168.1.10", 81)]) == leases


def test_gateways_without_a_lease_are_asked_for_a_port_that_is_not_ours() -> None:
    """It may be open on any of them."""
    ours = [lease("192.168.1.10", 80)]
    assert leases_of([(Protocol.TCP, 80), (Protocol.UDP, 80)], ours) is None
    assert leases_of([], ours) is None
