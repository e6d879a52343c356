"""Linux's notifications about files, inotify(7)."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator

from portmapper.support.libc import checked, libc
from portmapper.support.values import frozen

MODIFY = 0x2
ATTRIB = 0x4
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
Q_OVERFLOW = 0x4000
IGNORED = 0x8000
ONLYDIR = 0x100_0000
DONT_FOLLOW = 0x200_0000
MASK_ADD = 0x2000_0000

_READ_AT_ONCE = 64 * 1024
_HEAD = struct.Struct("iIII")


@frozen
class FileEvent:
    """One event.

    Attributes:
        watch: number of the watch; -1 if the queue was full, so that events are lost.
        mask: what happened.
        name: name of the file in the watched directory, empty for the directory itself.
    """

    watch: int
    mask: int
    name: str


class Inotify:
    """Watches on directories, and a queue of their events."""

    def __init__(self) -> None:
        """Start without a watch.

        Raises:
            OSError: the system has none, or the user's limit is reached.
        """
        if sys.platform != "linux":
            raise OSError("only Linux has inotify")
        self._file = checked(libc().inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))

    def fileno(self) -> int:
        """Return the descriptor, which is readable when there are events; -1 after `close`."""
        return self._file

    def close(self) -> None:
        """End all watches; closing it twice is no error."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def add_watch(self, path: str | os.PathLike[str], mask: int) -> int:
        """Watch a directory or a file, and return the number of the watch. Raise `OSError`."""
        return checked(libc().inotify_add_watch(self._file, os.fsencode(path), mask))

    def remove_watch(self, watch: int) -> None:
        """End a watch. Raise `OSError` if there is none of that number."""
        checked(libc().inotify_rm_watch(self._file, watch))

    def read(self) -> list[FileEvent]:
        """Return the events so far, perhaps none."""
        try:
            return list(_events(os.read(self._file, _READ_AT_ONCE)))
        except BlockingIOError:
            return []


def _events(data: bytes) -> Iterator[FileEvent]:
    place = 0
    while place < len(data):
        watch, mask, _, length = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        name = data[place : place + length].rstrip(b"\0")
        yield FileEvent(watch, mask, os.fsdecode(name))
        place += length
