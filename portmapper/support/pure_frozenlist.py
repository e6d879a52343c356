"""Lets aiohttp be imported without libstdc++, which takes 1 MiB.

Only the C extension of frozenlist needs it. aiohttp calls frozenlist when an application of its server is set
up, and for the signals of a trace, so its classes in Python serve as well.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

SWITCH = "FROZENLIST_NO_EXTENSIONS"
"""frozenlist reads this variable when it is imported. With any text, it does not load its C extension."""


@contextlib.contextmanager
def pure_frozenlist() -> Iterator[None]:
    """Let frozenlist be imported without its C extension, unless the user has set the variable."""
    if SWITCH in os.environ:
        yield
        return
    os.environ[SWITCH] = "1"
    try:
        yield
    finally:
        os.environ.pop(SWITCH, None)  # programs that we start need not have it
