"""Signals: blocked during startup, then handled on the event loop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_BLOCKED = _STOP_SIGNALS if sys.platform == "win32" else (*_STOP_SIGNALS, signal.SIGHUP)


def block_signals() -> None:
    """Block the signals until `unblock_signals`; those that arrive meanwhile stay pending.

    A program that reads our pid file may send a signal immediately. Without blocking, the default action
    would end the process before the handlers are installed.
    """
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)


def unblock_signals() -> None:
    """Deliver pending signals and all later ones."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)


@contextmanager
def signal_handlers(
    *, stop: Callable[[], None], interrupt: Callable[[], None], reload: Callable[[], None]
) -> Iterator[None]:
    """Handle SIGTERM, SIGINT and SIGHUP on the running loop inside the block; restore the old handlers.

    Windows has Ctrl-C and Ctrl-Break instead, and sends Ctrl-Break too when the console closes.
    """
    handlers: dict[signal.Signals, Callable[[], None]] = {signal.SIGTERM: stop, signal.SIGINT: interrupt}
    if sys.platform == "win32":
        handlers[signal.SIGBREAK] = stop
    else:
        handlers[signal.SIGHUP] = reload
    previous = {number: signal.getsignal(number) for number in handlers}
    _install(handlers)
    unblock_signals()
    try:
        yield
    finally:
        for number, previous_handler in previous.items():
            if sys.platform != "win32":
                asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, previous_handler)


def _install(handlers: Mapping[signal.Signals, Callable[[], None]]) -> None:
    loop = asyncio.get_running_loop()
    for number, handler in handlers.items():
        if sys.platform == "win32":
            signal.signal(number, lambda *_, handler=handler: loop.call_soon_threadsafe(handler))
        else:
            loop.add_signal_handler(number, handler)
