"""Frees what the imports of a start have left, so that libraries that are imported later use the memory."""

from __future__ import annotations

import gc
import linecache


class StartLeftovers:
    """What nothing refers to after the imports of a start: about 1 MiB.

    attrs creates a class with slots twice, and keeps the source of each method for tracebacks.

    Attributes:
        matter: this process runs for long, so the memory is worth the 12 ms that a collection takes.
    """

    def __init__(self) -> None:
        self.matter = False

    def free(self) -> None:
        """Free them once, if they matter."""
        if self.matter:
            self.matter = False
            gc.collect()
            linecache.clearcache()


LEFTOVERS = StartLeftovers()
"""Those of this process. A daemon frees them only before it imports large libraries: its ports come first."""
