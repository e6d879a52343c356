"""Suggests the known name closest to a mistyped one."""

from __future__ import annotations


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Return the end of a message: the nearest known word, or else all known words."""
    import difflib  # needed only after a mistake

    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"
