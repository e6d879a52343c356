"""Tells whether the system, or a limit, has nothing left. The command line imports this at each start."""

from __future__ import annotations

import errno

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})

NO_THREAD = "can't start new thread"
"""The words of Python's RuntimeError if the system cannot start another thread."""


def is_shortage(error: object) -> bool:
    """Return whether no descriptors, memory or threads are left: no program or file is at fault."""
    if isinstance(error, OSError):
        return error.errno in _SHORTAGES
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_THREAD in str(error))


def is_caused_by_shortage(error: BaseException | None) -> bool:
    """Return whether an error, or one that led to it, is a shortage."""
    while error is not None and not is_shortage(error):
        error = error.__cause__ or error.__context__
    return error is not None
