"""Paths of the settings file and the state directory."""

from __future__ import annotations

from pathlib import Path

from portmapper.config.places import settings_places, state_place


def settings_file() -> Path | None:
    """Return the default settings file, or None if there is none."""
    return next((path for path in settings_paths() if path.is_file()), None)


def settings_paths() -> tuple[Path, ...]:
    """Return the default paths of settings files, the user's first."""
    return tuple(map(Path, settings_places()))


def state_directory() -> Path:
    """Return the default state directory."""
    return Path(state_place())
