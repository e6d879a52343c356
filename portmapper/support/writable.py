"""Whether a stream takes text now. A terminal that Ctrl-S stopped, or a pipe without a reader, does not."""

from __future__ import annotations

import select
from typing import Any


def takes_text(stream: Any) -> bool:
    """Return whether writing does not block; a stream without a descriptor never blocks.

    On Windows, only sockets can be asked.
    """
    try:
        return bool(select.select([], [stream.fileno()], [], 0)[1])
    except (OSError, ValueError, AttributeError, TypeError):
        return True
