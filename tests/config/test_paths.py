"""Default paths follow the conventions of each system."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from portmapper.config import paths, places

LINUX = pytest.mark.skipif(sys.platform == "win32", reason="has no user ids")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home directory, without variables that override it."""
    for name in (
        "STATE_DIRECTORY",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "APPDATA",
        "LOCALAPPDATA",
        "PROGRAMDATA",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


@pytest.fixture
def on_system(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Run as an ordinary user; set `sys.platform` with it."""
    monkeypatch.setattr(places.os, "geteuid", lambda: 1000, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("platform", "user", "system"),
    [
        ("linux", ".config", "/etc"),
        ("darwin", "Library/Application Support", "/etc"),
        ("win32", "AppData/Roaming", "C:/ProgramData"),
    ],
)
def test_the_users_settings_come_before_the_systems(
    on_system: pytest.MonkeyPatch, home: Path, platform: str, user: str, system: str
) -> None:
    """A user can override the system's file."""
    on_system.setattr(places.sys, "platform", platform)
    assert paths.settings_paths() == (
        home / user / "portmapper" / "portmapper.toml",
        Path(system) / "portmapper" / "portmapper.toml",
    )


def test_the_home_of_another_user_has_no_settings(on_system: pytest.MonkeyPatch, home: Path) -> None:
    """`sudo -u` may leave `HOME` as it is."""

    def denied(path: object, *_: object, **__: object) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    on_system.setattr(os, "stat", denied)
    assert paths.settings_file() is None


def test_the_first_existing_settings_file_is_used(on_system: pytest.MonkeyPatch, home: Path) -> None:
    """None if there is none."""
    on_system.setattr(paths, "settings_paths", lambda: (home / "none.toml", home / "some.toml"))
    assert paths.settings_file() is None
    (home / "some.toml").touch()
    assert paths.settings_file() == home / "some.toml"


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ".local/state/portmapper"),
        ("darwin", "Library/Application Support/portmapper"),
        ("win32", "AppData/Local/portmapper"),
    ],
)
def test_the_state_of_a_user_is_in_the_home_directory(
    on_system: pytest.MonkeyPatch, home: Path, platform: str, expected: str
) -> None:
    """In the directory that the system provides for it."""
    on_system.setattr(places.sys, "platform", platform)
    assert paths.state_directory() == home / expected


def test_xdg_variables_override_the_directories(on_system: pytest.MonkeyPatch, home: Path) -> None:
    """On Linux and the BSDs."""
    on_system.setattr(places.sys, "platform", "linux")
    on_system.setenv("XDG_STATE_HOME", str(home / "s"))
    on_system.setenv("XDG_CONFIG_HOME", str(home / "c"))
    assert paths.state_directory() == home / "s" / "portmapper"
    assert paths.settings_paths()[0] == home / "c" / "portmapper" / "portmapper.toml"


@LINUX
def test_the_state_of_root_is_the_systems(on_system: pytest.MonkeyPatch) -> None:
    """Root has no state directory in a home."""
    on_system.setattr(places.sys, "platform", "linux")
    on_system.setattr(places.os, "geteuid", lambda: 0)
    assert paths.state_directory() == Path("/var/lib/portmapper")


def test_systemd_sets_the_state_directory_of_a_service(on_system: pytest.MonkeyPatch) -> None:
    """It may list several; the first one is used."""
    on_system.setenv("STATE_DIRECTORY", os.pathsep.join(("/var/lib/one", "/var/lib/two")))
    assert paths.state_directory() == Path("/var/lib/one")


def test_the_state_directory_of_windows_may_name_a_drive(on_system: pytest.MonkeyPatch) -> None:
    """The colon of `C:` separates no directories there."""
    on_system.setattr(places.os, "pathsep", ";")
    on_system.setenv("STATE_DIRECTORY", "C:/Services/portmapper")
    assert paths.state_directory() == Path("C:/Services/portmapper")
