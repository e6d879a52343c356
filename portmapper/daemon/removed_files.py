"""Creates the pid files again if they, or the whole state directory, are removed while the daemon runs."""

from __future__ import annotations

import asyncio

from portmapper.daemon.pidfile import PidFiles

CHECK_INTERVAL = 2.0
"""Seconds between two checks; the control socket and the lease store are checked by their own parts."""


async def keep_pid_files(daemon: object, pid_files: PidFiles) -> None:
    """Restore the pid files until canceled; a failure is a problem of the daemon, which tries again.

    Raises:
        PortmapperError: another instance locked the file meanwhile, or it cannot be created.
    """
    while True:
        pid_files.restore()
        await asyncio.sleep(CHECK_INTERVAL)
