"""Which reply answers a request for a mapping, and what to ask a gateway that answers no usual query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from portmapper.api import ANY_PORT, GatewayTimeout, NetworkFailure

DUPLICATES = 2
"""Replies with lifetime 0 that may be late duplicates of the reply to a deletion."""

UNUSED_PORT = 1
"""An internal port that no program of this host maps. Its deletion changes nothing, and is answered by
servers that answer nothing but requests for mappings (P18, P19)."""

OTHERWISE_AFTER = 1.0
"""Seconds after which a silent gateway is asked in another way."""

Answer = TypeVar("Answer")


class _Reply(Protocol):
    @property
    def result(self) -> int:
        """The result code, 0 for success."""

    @property
    def lifetime(self) -> int:
        """The granted lifetime in seconds."""

    @property
    def external_port(self) -> int:
        """The external port, 0 if there is none."""


class AnswerTo:
    """Tells whether a reply answers a request for this lifetime, which is 0 for a deletion.

    A late duplicate of the reply to a mapping must not count as the reply to its deletion, nor the reverse. A
    gateway that keeps granting a lifetime of 0 means it (P22).
    """

    def __init__(self, lifetime: int, refused_port: int = ANY_PORT) -> None:
        """Accept replies to a request; `refused_port` is what the request before it suggested in vain."""
        self._lifetime = lifetime
        self._refused_port = refused_port
        self._others = 0

    def __call__(self, reply: _Reply) -> bool:
        """Return whether to accept a reply."""
        if reply.result and self._refused_port and reply.external_port == self._refused_port:
            return False  # a late duplicate of the refusal
        if reply.result or bool(reply.lifetime) == bool(self._lifetime):
            return True
        self._others += 1
        return self._lifetime != 0 and self._others > DUPLICATES


def check_lifetime(reply: _Reply, requested: int) -> None:
    """Raise `NetworkFailure` if a mapping was granted for no time at all."""
    if requested and not reply.result and not reply.lifetime:
        raise NetworkFailure("the gateway grants the port for 0 seconds, so it is not open")


async def either(
    usual: Coroutine[Any, Any, Answer], otherwise: Callable[[], Awaitable[Answer]]
) -> tuple[Answer, bool]:
    """Await an answer; if there is none for a while, ask in another way too.

    Returns:
        The first answer, and whether it is that to the usual request.

    Raises:
        BackendError: the gateway answers neither request.
    """
    first = asyncio.ensure_future(usual)
    tasks = [first]
    try:
        await asyncio.wait(tasks, timeout=OTHERWISE_AFTER)
        if first.done():
            return first.result(), True
        tasks.append(asyncio.ensure_future(otherwise()))
        return await _first_answer(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first_answer(tasks: Sequence[asyncio.Future[Answer]]) -> tuple[Answer, bool]:
    waiting = set(tasks)
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if waiting and isinstance(task.exception(), GatewayTimeout):
                continue
            return task.result(), task is tasks[0]
