"""The check before each packet that changes a gateway: another daemon may lead by now.

The scheduler sets the gate for the steps of its work queues, and `changing` marks the calls that change a
gateway. Both reach the tasks and timers that such a call starts, because these inherit the context.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Protocol


class Gate(Protocol):
    """Decides whether this daemon may send now."""

    def check(self, *, closes: bool) -> None:
        """Raise an error if this daemon may not change a gateway, or may not close a port there."""

    async def passing(self, *, closes: bool) -> None:
        """Wait until this daemon may send; for ever, if it never may again."""


_gate: ContextVar[Gate | None] = ContextVar("gate", default=None)
_closes: ContextVar[bool | None] = ContextVar("closes", default=None)


def check_before_sending() -> None:
    """Raise an error if this packet may not be sent. Backends call this before each packet.

    Raises:
        NotLeading: the packet belongs to a request that changes the gateway, and another daemon may lead.
    """
    gate, closes = _gate.get(), _closes.get()
    if gate is not None and closes is not None:
        gate.check(closes=closes)


async def passing(*, closes: bool) -> None:
    """Wait until a request that changes a gateway may be sent."""
    gate = _gate.get()
    if gate is not None:
        await gate.passing(closes=closes)


@contextlib.contextmanager
def behind(gate: Gate | None) -> Iterator[None]:
    """Use this gate inside the block."""
    reset = _gate.set(gate)
    try:
        yield
    finally:
        _gate.reset(reset)


@contextlib.contextmanager
def changing(*, closes: bool) -> Iterator[None]:
    """Mark what the block sends as changes of a gateway; `closes` if it may close a port."""
    reset = _closes.set(closes)
    try:
        yield
    finally:
        _closes.reset(reset)
