"""`portmapper run --daemon`: checks before the process detaches, and the run in the background."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.errors import PortmapperError, UsageError
from portmapper.cli.options import configure_logging

if TYPE_CHECKING:
    from portmapper.daemon.pidfile import PidFiles
    from portmapper.sources.reader import SourceReader


def check_before_detaching(
    arguments: argparse.Namespace, readers: Sequence[SourceReader], directory: Path
) -> None:
    """Report errors while standard error is still visible to the user, and read standard input.

    Raises:
        UsageError: this system has no Unix daemons, or a `--gateway` value is invalid or not reachable.
        SourceError: a source cannot be read or parsed.
        StoreError: the state directory cannot be used.
    """
    import asyncio

    from portmapper.daemon.adopted import refuse_empty
    from portmapper.network.gateway_option import reachable_targets
    from portmapper.network.host import read_network
    from portmapper.sources.reader import read_first
    from portmapper.store.leases import FILE_NAME, Store

    refuse_without_fork()
    store = Store(directory / FILE_NAME, must_write=False)
    refuse_empty(readers, store)
    store.close()
    reachable_targets(arguments.gateway, read_network())
    asyncio.run(read_first(readers, all_required=False))


def refuse_without_fork() -> None:
    """Raise `UsageError` on Windows, where a process cannot detach from its console."""
    if not hasattr(os, "fork"):
        raise UsageError(
            "--daemon does not work on Windows: run portmapper as a scheduled task, which "
            "'portmapper service print windows' sets up"
        )


def run_detached(
    arguments: argparse.Namespace, pid_files: PidFiles, ready: Callable[[], None], serve: Callable[[], int]
) -> int:
    """Detach, and run `ready` and `serve` in the background; the launching process returns 0.

    Raises:
        PortmapperError: detaching failed; raised in the launching process.
    """
    from portmapper.daemon.daemonize import detach

    if not detach(ready):
        pid_files.release()
        return 0
    configure_logging(arguments, "info", detached=True)
    try:
        return serve()
    except Exception as error:
        # Standard error is closed now, so the log is the only place to report this.
        expected = isinstance(error, PortmapperError)
        logging.getLogger(__name__).critical("%s", error or repr(error), exc_info=not expected)
        raise
