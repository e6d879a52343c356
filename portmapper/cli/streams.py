"""Standard output and error that never fail: closed streams, and characters without an encoding."""

from __future__ import annotations

import contextlib
import os
import sys


def make_streams_safe() -> None:
    """Open closed standard streams on the null device, and replace characters that cannot be shown.

    A closed descriptor would be taken by the next opened file, such as the lease store, and a message would
    be written into it. On Windows and with LANG=C, the encoding lacks most characters.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the whole run
        elif hasattr(stream, "reconfigure"):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="replace" if name == "stdout" else "backslashreplace")
