"""Goes into the background the way Unix daemons do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

UMASK = 0o027


def detach(ready: Callable[[], None]) -> bool:
    """Fork twice and return True in the daemon, False in the process that was launched.

    The daemon has a session of its own, umask 027, `/` as working directory and nothing on its
    standard streams. The launching process goes on only when `ready` has run in the daemon, so that
    the pid file is written before the command line returns.

    Raises:
        OSError: no further process can be made, or the daemon died before it was ready.
    """
    told, tell = os.pipe()
    if os.fork():
        os.close(tell)
        with os.fdopen(told, "rb") as answer:
            if not answer.read():
                raise OSError("the daemon ended before it was ready")
        os.wait()
        return False
    os.close(told)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.umask(UMASK)
    os.chdir("/")
    _close_standard_streams()
    ready()
    os.write(tell, b"1")
    os.close(tell)
    return True


def _close_standard_streams() -> None:
    """Point them at nothing; a closed descriptor would be taken by the next file that is opened."""
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    if nothing > 2:
        os.close(nothing)
