"""Default places of the settings file and the state directory on each system.

They are strings, because `status` starts without pathlib; other modules use `portmapper.config.paths`.
"""

from __future__ import annotations

import os
import sys


def settings_places() -> tuple[str, ...]:
    """Return the default paths of settings files, the user's first."""
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        user = os.environ.get("APPDATA", os.path.join(home, "AppData", "Roaming"))
        system = os.environ.get("PROGRAMDATA", "C:/ProgramData")
    elif sys.platform == "darwin":
        user, system = os.path.join(home, "Library", "Application Support"), "/etc"
    else:
        user, system = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "/etc"
    return tuple(os.path.join(directory, "portmapper", "portmapper.toml") for directory in (user, system))


def state_place() -> str:
    """Return the default state directory: of the service, of root, or of the user.

    systemd sets `STATE_DIRECTORY` for a unit with `StateDirectory=`.
    """
    given = os.environ.get("STATE_DIRECTORY")
    if given:
        return given.split(os.pathsep)[0]  # a path of Windows contains a colon
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", os.path.join(home, "AppData", "Local"))
        return os.path.join(local, "portmapper")
    if os.geteuid() == 0:
        return "/var/lib/portmapper"
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support", "portmapper")
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state")
    return os.path.join(state, "portmapper")
