"""Suggests the known name closest to a mistyped one."""

from __future__ import annotations


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Return the end of a message: the nearest known word, or else all known words."""
    import difflib  # needed only after a mistake

    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), folded, n=1)
    return f", did you mean {folded[close[0]]}?" if close else f"; known: {', '.join(known)}"
