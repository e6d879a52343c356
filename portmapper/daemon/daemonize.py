"""Detach from the terminal, as Unix daemons do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from portmapper.api.errors import PortmapperError

UMASK = 0o027

_READY = b"ready"


def detach(ready: Callable[[], None]) -> bool:
    """Fork twice; return True in the daemon and False in the process that was launched.

    The daemon has its own session, umask 027, the working directory `/`, and standard streams that lead to
    `/dev/null`. The launching process returns only after `ready` has run in the daemon, so that the pid file
    exists before the command line returns.

    Raises:
        PortmapperError: in the launching process: the error that `ready` raised, or a failed fork.
    """
    reader, writer = os.pipe()
    child = _fork()
    if child:
        os.close(writer)
        _wait_until_ready(reader, child)
        return False
    os.close(reader)
    os.setsid()
    if _fork():
        os._exit(0)
    os.umask(UMASK)
    os.chdir("/")
    _close_standard_streams()
    try:
        ready()
    except PortmapperError as error:
        _exit_with(writer, error)
    os.write(writer, _READY)
    os.close(writer)
    return True


def _fork() -> int:
    try:
        return os.fork()
    except OSError as error:
        raise PortmapperError(f"cannot detach: {error.strerror}") from error


def _wait_until_ready(reader: int, child: int) -> None:
    with os.fdopen(reader, "rb") as pipe:
        message = pipe.read()
    os.waitpid(child, 0)
    if message != _READY:
        raise PortmapperError(message.decode() or "the daemon ended before it was ready")


def _exit_with(writer: int, error: PortmapperError) -> NoReturn:
    """Report the error and end the daemon without cleanup: the launching process cleans up."""
    os.write(writer, str(error).encode())
    os._exit(1)


def _close_standard_streams() -> None:
    """Redirect them to `/dev/null`; the next opened file would reuse a closed descriptor."""
    sys.stdout.flush()
    sys.stderr.flush()
    devnull = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(devnull, stream)
    if devnull > 2:
        os.close(devnull)
