"""Opens files without ever writing to another file, or waiting for one.

Another user may prepare a link, a FIFO or a file at a path that we are about to write, if they may write its
directory. Therefore links are not followed, only regular files are opened, and a directory that every user
may write holds none of our files.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


class UnsafeFile(OSError):
    """A file or its directory is not safe to write; `strerror` is the reason."""

    def __init__(self, reason: str, path: Path) -> None:
        super().__init__(errno.EPERM, reason, str(path))


def open_regular(path: Path, flags: int, mode: int) -> int:
    """Open a regular file, in a directory that not every user may write.

    Raises:
        UnsafeFile: it is a link or no regular file, or every user may write its directory.
        OSError: it cannot be opened.
    """
    _check_directory(path)
    try:
        file = os.open(path, flags | _SAFE_FLAGS, mode)
    except OSError as error:
        raise _explained(error, path) from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UnsafeFile("it is not a regular file", path)
    except BaseException:
        os.close(file)
        raise
    return file


def opener_of_regular(path: str, flags: int) -> int:
    """Open a regular file without waiting for another program; `opener` of the function `open`.

    Links are followed. The file is closed again if it is a directory, pipe or device.
    """
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return file


def read_limited(path: Path | str, limit: int) -> bytes:
    """Read a file that the user named, up to `limit` bytes, without ever waiting for another program.

    Links are followed: a secret may be mounted as one.

    Raises:
        OSError: it cannot be read, or it is a pipe, a directory or a socket, whose end may never come.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        with open(file, "rb", closefd=False) as stream:  # it leaves a directory open that it refuses
            mode = os.fstat(file).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):  # a device: /dev/null is an empty file
                raise OSError(errno.EINVAL, "it is not a regular file", str(path))
            return stream.read(limit)
    finally:
        os.close(file)


def is_ours(file: int) -> bool:
    """Return whether an open file belongs to the user of this process."""
    return not hasattr(os, "geteuid") or os.fstat(file).st_uid == os.geteuid()


# O_NONBLOCK: opening a FIFO would wait for its other end. O_NOCTTY: opening a terminal would adopt it.
_SAFE_FLAGS = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


def _check_directory(path: Path) -> None:
    # A sticky bit, as on /tmp, does not help: another user may still create the file before us.
    if hasattr(os, "geteuid") and path.parent.stat().st_mode & stat.S_IWOTH:
        raise UnsafeFile("every user can write its directory; use another one", path)


def _explained(error: OSError, path: Path) -> OSError:
    if error.errno == errno.ELOOP:
        return UnsafeFile("it is a link, and links are not followed", path)
    # Opening a FIFO without a reader, or a socket.
    if error.errno == errno.ENXIO:
        return UnsafeFile("it is not a regular file", path)
    return error
