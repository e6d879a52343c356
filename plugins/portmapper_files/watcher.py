"""A watcher for a file: it reports edits, replacement, swapped symlinks and reappearance.

On Linux it uses inotify, so that an idle daemon is never woken. `watchfiles` polls 20 times a second and does
not follow symlinks along a path. On other systems, and if the kernel grants no watch, the file is polled
twice a second. The next regular reload finds what both miss, such as an edit on a network file system by
another host.

A file that is half-written must not be read. inotify reports when the writer has closed it. With polling, a
change is reported when the file is the same twice.
"""

from __future__ import annotations

import abc
import os
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from portmapper.support import inotify
from portmapper_files.file_state import State, file_state

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_POLL_SECONDS = 0.5
_MAX_LINKS = 40
_MAX_TRIES = 5

LONGEST_PAUSE = 10.0
"""Seconds without a write after which a writer counts as done, although it keeps the file open."""

_WATCHED = (
    inotify.CLOSE_WRITE | inotify.MOVED_TO | inotify.MOVED_FROM | inotify.CREATE | inotify.DELETE
    | inotify.ATTRIB | inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.ONLYDIR
)  # fmt: skip
# Of the file itself, and not of its directory: writes to its neighbors must not wake an idle daemon.
_WRITES = inotify.MODIFY | inotify.CLOSE_WRITE | inotify.DONT_FOLLOW | inotify.MASK_ADD
_ITSELF = inotify.DELETE_SELF | inotify.MOVE_SELF | inotify.IGNORED | inotify.Q_OVERFLOW


class Watcher(abc.ABC):
    """A watch on one path, until it is closed."""

    def arm(self) -> None:  # noqa: B027 - polling needs none
        """Refresh the set of directories that lead to the file."""

    @abc.abstractmethod
    def version(self) -> object:
        """Return a value that each write changes, None while a writer is in the middle of the file.

        A read is complete if the version is the same before and after it. The end of a write is reported.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Stop watching."""


def start_watching(path: str, changed: Callable[[], None], seen: State | None = None) -> Watcher:
    """Call `changed` from the running event loop when the content at the absolute `path` may have changed.

    Also if it is not in the state `seen` any more: a daemon reads all its lists before it watches the first.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    if sys.platform == "linux":
        try:
            return _InotifyWatcher(path, changed, loop, seen)
        except OSError:
            # The user's limit of inotify instances or watches is reached (EMFILE, ENOSPC).
            return _PollingWatcher(path, changed, loop, seen)
    return _PollingWatcher(path, changed, loop, seen)


class _PollingWatcher(Watcher):
    def __init__(
        self, path: str, changed: Callable[[], None], loop: AbstractEventLoop, seen: State | None
    ) -> None:
        self._path = path
        self._changed = changed
        self._state = file_state(path) if seen is None else seen
        self._is_changing = False
        self._loop = loop
        self._timer = loop.call_later(_POLL_SECONDS, self._check)

    def close(self) -> None:
        self._timer.cancel()

    def version(self) -> object:
        state = file_state(self._path)
        return (state,) if state == self._state and not self._is_changing else None

    def _check(self) -> None:
        self._timer = self._loop.call_later(_POLL_SECONDS, self._check)
        state, was_changing = file_state(self._path), self._is_changing
        self._is_changing = state != self._state
        self._state = state
        if was_changing and not self._is_changing:
            self._changed()


class _InotifyWatcher(Watcher):
    """A watch on each directory that contains a component of the path, and on the file itself."""

    def __init__(
        self, path: str, changed: Callable[[], None], loop: AbstractEventLoop, seen: State | None
    ) -> None:
        self._path = path
        self._changed = changed
        self._watched: dict[int, tuple[str, set[str]]] = {}
        self._file: int | None = None
        self._last_write: float | None = None
        self._writes = 0
        self._inotify = inotify.Inotify()
        self._loop = loop
        try:
            self._arm()
        except OSError:
            self._inotify.close()
            raise
        self._loop.add_reader(self._inotify.fileno(), self._read)
        if seen is not None and file_state(path) != seen:
            self._last_write = self._loop.time()  # its writer may still be in the middle
            self._changed()

    def arm(self) -> None:
        try:
            self._arm()
        except OSError:
            # No watch is left for a new directory; the next regular reload finds changes there.
            return

    def version(self) -> object:
        self._read()  # what the event loop has not read yet
        if self._last_write is not None and self._loop.time() - self._last_write < LONGEST_PAUSE:
            return None
        return (self._file, self._writes)

    def close(self) -> None:
        if self._inotify.fileno() >= 0:
            self._loop.remove_reader(self._inotify.fileno())
            self._inotify.close()

    def _arm(self) -> None:
        """Set watches until the path is stable: a name may appear between reading the path and the watch.

        Watches that were there before report that.
        """
        hops = list(_hops(self._path))
        for _ in range(_MAX_TRIES):
            watched = self._watched
            self._watch(hops)
            if self._watched == watched:
                return
            hops = list(_hops(self._path))

    def _watch(self, hops: list[tuple[str, str]]) -> None:
        watched: dict[int, tuple[str, set[str]]] = {}
        for directory, name in hops:
            try:
                number = self._inotify.add_watch(directory, _WATCHED)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            watched.setdefault(number, (directory, set()))[1].add(name)
        self._follow(hops[-1:], watched)
        for number in self._watched.keys() - watched.keys():
            try:
                self._inotify.remove_watch(number)
            except OSError:
                # The directory is gone, and its watch with it.
                continue
        self._watched = watched

    def _follow(self, last_hop: list[tuple[str, str]], watched: dict[int, tuple[str, set[str]]]) -> None:
        """Watch what is written to the file; a file that was put in the place of another is complete."""
        before, self._file = self._file, None
        for directory, name in last_hop:
            try:
                self._file = self._inotify.add_watch(os.path.join(directory, name), _WRITES)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
            watched.setdefault(self._file, (directory, set()))
        if self._file != before:
            self._last_write = None

    def _read(self) -> None:
        events = self._inotify.read()
        if any([self._is_relevant(event) for event in events]):
            self.arm()
            self._changed()

    def _is_relevant(self, event: inotify.FileEvent) -> bool:
        directory, names = self._watched.get(event.watch, ("", set()))
        if event.mask & _ITSELF:
            return bool(names) or event.watch == -1
        if event.watch == self._file and not event.name:
            return self._is_end_of_write(event)
        if event.name not in names:
            return False
        if event.mask & inotify.CREATE and _is_being_written(os.path.join(directory, event.name)):
            self.arm()
            self._last_write = self._loop.time()
            return False
        return not event.mask & inotify.CLOSE_WRITE or self._is_end_of_write(event)

    def _is_end_of_write(self, event: inotify.FileEvent) -> bool:
        is_closed = bool(event.mask & inotify.CLOSE_WRITE)
        self._writes += 1
        self._last_write = None if is_closed else self._loop.time()
        return is_closed


def _is_being_written(path: str) -> bool:
    """Tell whether a name that just appeared is a new file that its writer has not closed yet."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _hops(path: str) -> Iterator[tuple[str, str]]:
    """Yield directory and name of each symlink along the path and of the file, up to a missing name.

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
