"""Tells whether the system, or a limit, has nothing left. The command line imports this at each start."""

from __future__ import annotations

import errno

_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def is_shortage(error: object) -> bool:
    """Return whether no descriptors or memory are left: then neither the program nor a file is at fault."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _SHORTAGES)
