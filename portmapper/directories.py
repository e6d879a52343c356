"""Where the program keeps its state and looks for its settings, as each system wants it."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def state_directory() -> Path:
    """Return the default state directory: the service's own, root's, or the user's.

    `STATE_DIRECTORY` is what systemd passes to a unit with `StateDirectory=`.
    """
    given = os.environ.get("STATE_DIRECTORY")
    if given:
        return Path(given.split(":")[0])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "portmapper"
    if os.geteuid() == 0:
        return Path("/var/lib/portmapper")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "portmapper"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "portmapper"
