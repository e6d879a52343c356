"""Writes a small JSON file that only its owner can read, so that no reader sees half of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from portmapper.support.busy_files import replace
from portmapper.support.owner_only import restrict_to_owner


def write_private(path: Path, content: object) -> None:
    """Replace the file. Its directory is created if it is missing.

    Raises:
        OSError: the directory cannot be written.
    """
    import json  # few runs write such a file

    temporary = path.with_name(f"{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        restrict_to_owner(temporary)
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    _give_to_owner(temporary)
    replace(temporary, path)


def _give_to_owner(path: Path) -> None:
    """Give a file that root wrote to the owner of the directory, as which the daemon runs."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = path.parent.stat()
        with contextlib.suppress(OSError):
            os.chown(path, owner.st_uid, owner.st_gid)
