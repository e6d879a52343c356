"""Standard output and error that never fail: closed streams, and characters without an encoding."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SPELLED_OUT = {"→": "->", "…": "...", "·": "-", "↑": "up", "↓": "down", "✓": "+", "✗": "x"}
"""What replaces our own characters in an encoding without them, such as that of a Windows pipe."""


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
    codecs.register_error("spell_out", _spell_out)
    codecs.register_error("spell_out_or_escape", _spell_out_or_escape)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the whole run
        elif hasattr(stream, "reconfigure"):
            with contextlib.suppress(OSError, ValueError):
                stream.reconfigure(errors="spell_out" if name == "stdout" else "spell_out_or_escape")


def as_shown(text: str, stream: Any) -> str:
    """Return a text as a safe stream will show it, which may be longer, to measure it."""
    encoding, errors = getattr(stream, "encoding", None), getattr(stream, "errors", None)
    if text.isascii() or not encoding or not errors or not errors.startswith("spell_out"):
        return text
    return text.encode(encoding, errors).decode(encoding)


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(SPELLED_OUT.get(character, "?") for character in missing), error.end


def _spell_out_or_escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    escaped = (SPELLED_OUT.get(one) or one.encode("ascii", "backslashreplace").decode() for one in missing)
    return "".join(escaped), error.end
