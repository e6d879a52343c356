"""Finds the entry points of installed plugins, without importing `importlib.metadata`.

That module imports zipfile, csv and email, and reads the entry points of every group: a tenth of a start.
This one reads the same files. It keeps nothing between two starts, so it sees a new plugin at once.
"""

from __future__ import annotations

import functools
import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from typing import Protocol

from portmapper.support.values import frozen

_VALUE = r"(?P<module>[\w.]+)\s*(:\s*(?P<attribute>[\w.]+)\s*)?(\[.*\]\s*)?"
_METADATA = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}


class Named(Protocol):
    """A distribution, here or in `importlib.metadata`."""

    @property
    def name(self) -> str:
        """The name."""

    @property
    def version(self) -> str:
        """The version."""


class Loadable(Protocol):
    """An entry point, here or in `importlib.metadata`."""

    @property
    def name(self) -> str:
        """The name."""

    @property
    def dist(self) -> Named | None:
        """The distribution."""

    def load(self) -> object:
        """Import and return the object."""


@frozen
class Distribution:
    """An installed distribution."""

    name: str
    version: str


@frozen
class InstalledPlugin:
    """One entry point, and the distribution that it belongs to."""

    name: str
    value: str
    dist: Distribution

    def load(self) -> object:
        """Import and return the object that `value` names.

        Raises:
            ImportError: `value` is invalid.
            Exception: any exception of the module.
        """
        match = re.fullmatch(_VALUE, self.value)
        if match is None:
            raise ImportError(f"the entry point {self.value!r} is not MODULE or MODULE:OBJECT")
        module = importlib.import_module(match["module"])
        return functools.reduce(getattr, filter(None, (match["attribute"] or "").split(".")), module)


class _Unusual(Exception):
    """A place that only `importlib.metadata` can read."""


def installed_plugins(group: str) -> Iterable[Loadable]:
    """Return the entry points of a group, as `importlib.metadata.entry_points` does."""
    try:
        return list(_in_folders(group))
    except _Unusual:
        from importlib.metadata import entry_points

        return entry_points(group=group)


def _in_folders(group: str) -> Iterator[InstalledPlugin]:
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder is not PathFinder):
        raise _Unusual
    seen: set[str] = set()
    for directory in dict.fromkeys(sys.path):
        for folder in _metadata_folders(directory or "."):
            # The first one on the path wins, as its modules do.
            key = _key(folder)
            if key not in seen:
                seen.add(key)
                yield from _of_folder(folder, group)


def _key(folder: str) -> str:
    """Return the normalized name of a distribution, from `My.Name-1.0.dist-info`."""
    stem = os.path.splitext(os.path.basename(folder))[0]
    return re.sub(r"[-_.]+", "_", stem.partition("-")[0]).lower()


def _metadata_folders(directory: str) -> Iterator[str]:
    """Yield the folders with metadata in a directory of `sys.path`.

    Raises:
        _Unusual: it is an archive, or has one.
    """
    try:
        names = os.listdir(directory)
    except OSError:
        # Windows and Wine have different errors for a file.
        if os.path.isfile(directory):
            raise _Unusual from None
        return
    if directory.endswith(".egg") or any(name.endswith(".egg") for name in names):
        raise _Unusual
    yield from (os.path.join(directory, name) for name in names if name.endswith(tuple(_METADATA)))


def _of_folder(folder: str, group: str) -> Iterator[InstalledPlugin]:
    text = _read(folder, "entry_points.txt")
    if f"[{group}]" not in text:  # parse no other group, because most distributions have only others
        return
    distribution = _distribution(_read(folder, _METADATA[os.path.splitext(folder)[1]]))
    section = ""
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif section == group and line and not line.startswith("#"):
            name, _, value = (part.strip() for part in line.partition("="))
            yield InstalledPlugin(name, value, distribution)


def _distribution(metadata: str) -> Distribution:
    head = metadata.partition("\n\n")[0].splitlines()
    fields = dict(line.split(": ", 1) for line in reversed(head) if line.startswith(("Name: ", "Version: ")))
    return Distribution(fields.get("Name", "").strip(), fields.get("Version", "").strip())


def _read(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
