"""Goes into the background the way Unix daemons do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from portmapper.api.errors import PortmapperError

UMASK = 0o027

_READY = b"ready"


def detach(ready: Callable[[], None]) -> bool:
    """Fork twice and return True in the daemon, False in the process that was launched.

    The daemon has a session of its own, umask 027, `/` as working directory and nothing on its
    standard streams. The launching process goes on only when `ready` has run in the daemon, so that
    the pid file is written before the command line returns.

    Raises:
        PortmapperError: in the launching process: what `ready` raised, or no process can be made.
    """
    told, tell = os.pipe()
    child = _fork()
    if child:
        os.close(tell)
        _wait_until_ready(told, child)
        return False
    os.close(told)
    os.setsid()
    if _fork():
        os._exit(0)
    os.umask(UMASK)
    os.chdir("/")
    _close_standard_streams()
    try:
        ready()
    except PortmapperError as error:
        _give_up(tell, error)
    os.write(tell, _READY)
    os.close(tell)
    return True


def _fork() -> int:
    try:
        return os.fork()
    except OSError as error:
        raise PortmapperError(f"cannot detach: {error.strerror}") from error


def _wait_until_ready(told: int, child: int) -> None:
    with os.fdopen(told, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    if said != _READY:
        raise PortmapperError(said.decode() or "the daemon ended before it was ready")


def _give_up(tell: int, error: PortmapperError) -> NoReturn:
    """End the daemon without the clean-up that is the launching process's to do."""
    os.write(tell, str(error).encode())
    os._exit(1)


def _close_standard_streams() -> None:
    """Point them at nothing; a closed descriptor would be taken by the next file that is opened."""
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    if nothing > 2:
        os.close(nothing)
