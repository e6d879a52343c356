"""Where the program keeps its state and looks for its settings, as each system wants it."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def settings_file() -> Path | None:
    """Return the settings file to use where none is named, None when there is none."""
    return next((path for path in settings_paths() if path.is_file()), None)


def settings_paths() -> tuple[Path, ...]:
    """Return where settings files are looked for, the user's first."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        user = Path(os.environ.get("APPDATA", home / "AppData" / "Roaming"))
        system = Path(os.environ.get("PROGRAMDATA", "C:/ProgramData"))
    elif sys.platform == "darwin":
        user, system = home / "Library" / "Application Support", Path("/etc")
    else:
        user, system = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config"), Path("/etc")
    return tuple(directory / "portmapper" / "portmapper.toml" for directory in (user, system))


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
