"""Replaces and removes files that another program may hold open for a moment.

On Windows, a file that a virus scanner, an indexer or `portmapper status` reads can be neither replaced nor
removed. They close it soon, so the operation is repeated for a short time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 1.0
"""Seconds to wait for the other program."""

PAUSE = 0.02


def replace(source: Path, target: Path) -> None:
    """Rename a file to a name that may exist. Raises `OSError`."""
    _repeat(lambda: os.replace(source, target))


def remove(path: Path) -> None:
    """Remove a file. Raises `OSError`."""
    _repeat(path.unlink)


def _repeat(operation: Callable[[], None], *, patience: float | None = None) -> None:
    if patience is None:
        patience = PATIENCE if sys.platform == "win32" else 0.0
    end = time.monotonic() + patience
    while True:
        try:
            return operation()
        except PermissionError:
            if time.monotonic() >= end:
                raise
            time.sleep(PAUSE)
