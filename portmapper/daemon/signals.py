"""Signals: kept back while the program starts, then handed to whoever runs on the event loop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

_ENDING = (signal.SIGTERM, signal.SIGINT)
_HELD = _ENDING if sys.platform == "win32" else (*_ENDING, signal.SIGHUP)


def hold_signals() -> None:
    """Keep what arrives from now on waiting.

    Whoever reads our pid may signal at once, and the default action would end us before we can answer.
    """
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)


def let_signals_through() -> None:
    """Deliver what waits, and what arrives from now on."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)


@contextmanager
def handling(
    *, stop: Callable[[], None], interrupt: Callable[[], None], reload: Callable[[], None]
) -> Iterator[None]:
    """Call these on the running loop for SIGTERM, SIGINT and SIGHUP; restores what was before."""
    handlers: dict[signal.Signals, Callable[[], None]] = {signal.SIGTERM: stop, signal.SIGINT: interrupt}
    if sys.platform != "win32":
        handlers[signal.SIGHUP] = reload
    before = {number: signal.getsignal(number) for number in handlers}
    _install(handlers)
    let_signals_through()
    try:
        yield
    finally:
        for number, handler_before in before.items():
            if sys.platform != "win32":
                asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, handler_before)


def _install(handlers: Mapping[signal.Signals, Callable[[], None]]) -> None:
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        if sys.platform == "win32":
            signal.signal(number, lambda *_, handler=handler: loop.call_soon_threadsafe(handler))
        else:
            loop.add_signal_handler(number, handler)
