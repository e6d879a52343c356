"""Entry points of installed plugins are the same as those of `importlib.metadata`."""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from portmapper.pluginhost.installed import Loadable, installed_plugins

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Write the metadata of a distribution in a directory of `sys.path`."""

    def written(name: str, entry_points: str, version: str = "1.0", place: str = "site") -> Path:
        directory = tmp_path / place
        folder = directory / f"{name}-{version}.dist-info"
        folder.mkdir(parents=True)
        described = f"Name: {name}\nVersion: {version}\n\nName: not this one\n"
        (folder / "METADATA").write_text(f"Metadata-Version: 2.3\n{described}")
        (folder / "entry_points.txt").write_text(entry_points)
        if str(directory) not in sys.path:
            monkeypatch.setattr(sys, "path", [*sys.path, str(directory)])
        return folder

    return written


def found(group: str = "test_group") -> list[tuple[str, str, str]]:
    """Return name, distribution and version of each entry point."""
    return [_described(entry_point) for entry_point in installed_plugins(group)]


def _described(entry_point: Loadable) -> tuple[str, str, str]:
    assert entry_point.dist is not None
    return entry_point.name, entry_point.dist.name, entry_point.dist.version


@pytest.mark.parametrize("group", ["portmapper", "console_scripts", "pytest11", "no such group"])
def test_the_same_are_found_as_by_importlib(group: str) -> None:
    """In the environment of this test."""
    expected = [
        (ep.name, ep.dist.name, ep.dist.version) for ep in importlib.metadata.entry_points(group=group)
    ]  # type: ignore[union-attr]
    assert sorted(found(group)) == sorted(expected)


def test_a_new_plugin_is_found_at_once(install: Install) -> None:
    """Nothing is kept from the search before."""
    assert found() == []
    install("mine", "[test_group]\na = json\n")
    assert found() == [("a", "mine", "1.0")]


def test_only_the_group_is_read(install: Install) -> None:
    """Comments, blank lines and other groups are skipped."""
    install(
        "mine", "[other]\nx = y\n\n[test_group]\n# a comment\n\na = json:loads [extra]\n[more]\nz = json\n"
    )
    (entry_point,) = installed_plugins("test_group")
    assert entry_point.name == "a"
    assert entry_point.load() is __import__("json").loads


def test_the_first_distribution_on_the_path_wins(install: Install) -> None:
    """Also if its name is written in another way."""
    install("my.plugin", "[test_group]\na = json\n", "2.0", place="first")
    install("My_Plugin", "[test_group]\na = json\nb = json\n", place="second")
    assert found() == [("a", "my.plugin", "2.0")]


def test_the_metadata_of_setuptools_is_read(install: Install) -> None:
    """`setup.py develop` writes a folder with another name."""
    folder = install("mine", "[test_group]\na = json\n")
    (folder / "METADATA").rename(folder / "PKG-INFO")
    folder.rename(folder.with_name("mine.egg-info"))
    assert found() == [("a", "mine", "1.0")]
    install("mine", "[test_group]\nb = json\n", place="later")
    assert found() == [("a", "mine", "1.0")]


def test_a_folder_without_metadata_does_no_harm(install: Install) -> None:
    """Its distribution has no name."""
    folder = install("mine", "[test_group]\na = json\n")
    (folder / "METADATA").unlink()
    (folder.parent / "empty-1.dist-info").mkdir()
    assert found() == [("a", "", "")]


def test_an_invalid_entry_point_fails_when_it_is_loaded(install: Install) -> None:
    """So it affects no other plugin."""
    install("mine", "[test_group]\na = no module!\n")
    (entry_point,) = installed_plugins("test_group")
    with pytest.raises(ImportError, match="no module!"):
        entry_point.load()


def test_plugins_in_an_archive_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`importlib.metadata` reads them."""
    archive = tmp_path / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("mine-1.0.dist-info/METADATA", "Name: mine\nVersion: 1.0\n")
        written.writestr("mine-1.0.dist-info/entry_points.txt", "[test_group]\na = json\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(archive)])
    assert found() == [("a", "mine", "1.0")]


def test_another_finder_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`importlib.metadata` asks it."""

    class Finder:
        """Finds one distribution."""

        @staticmethod
        def find_spec(*_: object) -> None:
            """Find no module."""

        @staticmethod
        def find_distributions(*_: object) -> list[importlib.metadata.Distribution]:
            """Find one distribution."""
            return [importlib.metadata.PathDistribution(tmp_path)]

    (tmp_path / "METADATA").write_text("Name: mine\nVersion: 1.0\n")
    (tmp_path / "entry_points.txt").write_text("[test_group]\na = json\n")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert found() == [("a", "mine", "1.0")]
