"""Notices that a path leads to another content: an edit, a replacement, a symlink swapped, a return.

On Linux through inotify, so that an idle daemon is never woken. `watchfiles` would look 20 times a second
whether a watch has news, and watches no symlink's way; `inotify-simple` is the kernel's interface and nothing
else. Elsewhere, and where the kernel grants no watch, the file is looked at twice a second. What both miss
(a network file system edited from another host) is found by the next interval.
"""

from __future__ import annotations

import abc
import os
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_POLL_SECONDS = 0.5
_MAX_LINKS = 40
_MAX_ROUNDS = 5


class Watcher(abc.ABC):
    """Watches one path until it is closed."""

    def arm(self) -> None:  # noqa: B027 - polling needs none
        """Look again which directories lead to the file."""

    @abc.abstractmethod
    def close(self) -> None:
        """Stop."""


def start_watching(path: str, changed: Callable[[], None]) -> Watcher:
    """Have `changed` called from the running event loop when the absolute `path` may read otherwise."""
    import asyncio

    loop = asyncio.get_running_loop()
    if sys.platform == "linux":
        try:
            return _Notified(path, changed, loop)
        except OSError:
            # The user's inotify instances or watches are used up (EMFILE, ENOSPC).
            return _Polled(path, changed, loop)
    return _Polled(path, changed, loop)


class _Polled(Watcher):
    def __init__(self, path: str, changed: Callable[[], None], loop: AbstractEventLoop) -> None:
        self._path = path
        self._changed = changed
        self._state = _state(path)
        self._loop = loop
        self._timer = loop.call_later(_POLL_SECONDS, self._look)

    def close(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        self._timer = self._loop.call_later(_POLL_SECONDS, self._look)
        state = _state(self._path)
        if state != self._state:
            self._state = state
            self._changed()


def _state(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


class _Notified(Watcher):
    """Watches each directory in which a name decides what the path leads to."""

    def __init__(self, path: str, changed: Callable[[], None], loop: AbstractEventLoop) -> None:
        import inotify_simple  # type: ignore[import-untyped]

        flags = inotify_simple.flags
        self._created: int = flags.CREATE
        self._itself: int = flags.DELETE_SELF | flags.MOVE_SELF | flags.IGNORED | flags.Q_OVERFLOW
        # No MODIFY: a file is read when its writer has closed it, not half-written.
        self._mask: int = (
            flags.CLOSE_WRITE | flags.MOVED_TO | flags.MOVED_FROM | flags.CREATE | flags.DELETE
            | flags.ATTRIB | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR
        )  # fmt: skip
        self._path = path
        self._changed = changed
        self._watched: dict[int, tuple[str, set[str]]] = {}
        self._inotify = inotify_simple.INotify(nonblocking=True)
        self._loop = loop
        try:
            self._arm()
        except OSError:
            self._inotify.close()
            raise
        self._loop.add_reader(self._inotify.fileno(), self._read)

    def arm(self) -> None:
        try:
            self._arm()
        except OSError:
            # No watch left for a new directory; the interval finds what happens there.
            return

    def close(self) -> None:
        if not self._inotify.closed:
            self._loop.remove_reader(self._inotify.fileno())
            self._inotify.close()

    def _arm(self) -> None:
        """Watch anew until the way stands still: a name may appear between the look and the watch."""
        hops = list(_hops(self._path))
        for _ in range(_MAX_ROUNDS):
            self._watch(hops)
            before, hops = hops, list(_hops(self._path))
            if hops == before:
                return

    def _watch(self, hops: list[tuple[str, str]]) -> None:
        watched: dict[int, tuple[str, set[str]]] = {}
        for directory, name in hops:
            try:
                number = self._inotify.add_watch(directory, self._mask)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            watched.setdefault(number, (directory, set()))[1].add(name)
        for number in self._watched.keys() - watched.keys():
            try:
                self._inotify.rm_watch(number)
            except OSError:
                # The directory is gone, and its watch went with it.
                continue
        self._watched = watched

    def _read(self) -> None:
        events = self._inotify.read(timeout=0)
        if any([self._matters(event) for event in events]):
            self.arm()
            self._changed()

    def _matters(self, event: Any) -> bool:
        directory, names = self._watched.get(event.wd, ("", set()))
        if event.mask & self._itself:
            return bool(names) or event.wd == -1
        if event.name not in names:
            return False
        return not event.mask & self._created or not _being_written(os.path.join(directory, event.name))


def _being_written(path: str) -> bool:
    """Tell whether a name that just appeared is a new file, to be written and closed next."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _hops(path: str) -> Iterator[tuple[str, str]]:
    """Yield directory and name of each symlink on the way, and of the file; ends where a name is missing.

    Kubernetes mounts a ConfigMap as `ports.csv -> ..data/ports.csv`, `..data -> ..2026_01_01`, and swaps
    the second symlink.
    """
    current, rest, links = "/", path.split("/"), 0
    while rest:
        name, *rest = rest
        if name in ("", "."):
            continue
        if name == "..":
            current = os.path.dirname(current)
            continue
        whole = os.path.join(current, name)
        target = _link_target(whole)
        if target is not None:
            yield current, name
            links += 1
            if links > _MAX_LINKS:
                return
            current, rest = ("/" if target.startswith("/") else current), [*target.split("/"), *rest]
        elif rest and os.path.isdir(whole):
            current = whole
        else:
            yield current, name
            return


def _link_target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None
