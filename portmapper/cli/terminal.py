"""Standard streams for a daemon on a terminal, which never wait for the terminal.

Ctrl-S, or a connection that hangs, stops a terminal. A daemon that waited for it would renew no lease.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from typing import TextIO

PATIENCE = 0.3
"""Seconds to wait for a terminal that is only slow. One that was stopped is not waited for again."""


class PatientTerminal(io.TextIOBase):
    """Writes to a terminal, and omits what the terminal does not take."""

    def __init__(self, descriptor: int, encoding: str, errors: str) -> None:
        """Write to a descriptor that does not block."""
        self._descriptor = descriptor
        self._encoding = encoding
        self._errors = errors
        self._is_stopped = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the terminal."""
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        """How characters are written that the encoding lacks."""
        return self._errors

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return that this is a terminal."""
        return True

    def writable(self) -> bool:
        """Return that text can be written."""
        return True

    def write(self, text: str) -> int:
        """Write as much as the terminal takes."""
        left = text.encode(self._encoding, self._errors)
        while left and self._has_room():
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                continue
            except OSError:  # the terminal is gone
                break
        return len(text)

    def _has_room(self) -> bool:
        wait = 0.0 if self._is_stopped else PATIENCE
        self._is_stopped = not select.select([], [self._descriptor], [], wait)[1]
        return not self._is_stopped


def never_wait_for_terminals() -> None:
    """Replace standard output and error if they are terminals."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with contextlib.suppress(OSError, ValueError, AttributeError):  # not visible in this container
            setattr(sys, name, _patient(stream))


def _patient(stream: TextIO) -> PatientTerminal:
    """Open the terminal again: other programs share the open descriptor, and they may wait."""
    path = os.ttyname(stream.fileno())
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    return PatientTerminal(descriptor, stream.encoding, stream.errors or "strict")
