"""Paths of the settings file and the state directory."""

from __future__ import annotations

import os
from pathlib import Path

from portmapper.config.places import settings_places, state_place


def settings_file() -> Path | None:
    """Return the default settings file, or None if there is none.

    Until Python 3.13, `Path.is_file` raises an error in a directory that this user cannot enter, such as the
    home directory that `sudo -u` leaves in `HOME`.
    """
    return next((path for path in settings_paths() if os.path.isfile(path)), None)


def settings_paths() -> tuple[Path, ...]:
    """Return the default paths of settings files, the user's first."""
    return tuple(map(Path, settings_places()))


def state_directory() -> Path:
    """Return the default state directory."""
    return Path(state_place())
