"""Default paths of the settings file and the state directory on each system."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def settings_file() -> Path | None:
    """Return the default settings file, or None if there is none."""
    return next((path for path in settings_paths() if path.is_file()), None)


def settings_paths() -> tuple[Path, ...]:
    """Return the default paths of settings files, the user's first."""
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
    """Return the default state directory: of the service, of root, or of the user.

    systemd sets `STATE_DIRECTORY` for a unit with `StateDirectory=`.
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
