"""Creates the pid files again if they, or the whole state directory, are removed while the daemon runs."""

from __future__ import annotations

from portmapper.daemon.pidfile import PidFiles
from portmapper.support.removals import Removals


async def keep_pid_files(daemon: object, pid_files: PidFiles) -> None:
    """Restore the pid files until canceled; the control socket and the lease store look after themselves.

    A failure is a problem of the daemon, which tries again.

    Raises:
        PortmapperError: another instance locked the file meanwhile, or it cannot be created.
    """
    removals = Removals(pid_files.paths)
    try:
        while True:
            pid_files.restore()
            await removals.wait()
    finally:
        removals.close()
