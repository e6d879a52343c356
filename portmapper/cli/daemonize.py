"""`portmapper run --daemon`: what comes before and after going to the background."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.errors import PortmapperError
from portmapper.cli.options import begin_logging

if TYPE_CHECKING:
    from portmapper.daemon.pidfile import PidFiles
    from portmapper.sources.reader import SourceReader


def try_before_detaching(
    arguments: argparse.Namespace, readers: Sequence[SourceReader], directory: Path
) -> None:
    """Find out what is wrong while the caller can still see it, and read standard input.

    Raises:
        UsageError: a named gateway is none.
        SourceError: a source cannot be read or parsed.
        StoreError: the state directory cannot be used.
    """
    import asyncio

    from portmapper.network.gateway_option import reachable_targets
    from portmapper.network.host import read_network
    from portmapper.sources.reader import read_first
    from portmapper.store.leases import FILE_NAME, Store

    Store(directory / FILE_NAME, must_write=False).close()
    reachable_targets(arguments.gateway, read_network())
    asyncio.run(read_first(readers))


def detached(arguments: argparse.Namespace, pid_files: PidFiles, serve: Callable[[], int]) -> int:
    """Go on in the background: run `serve` there, and return 0 in the process that was launched.

    Raises:
        PortmapperError: in the launching process: it cannot be done.
    """
    from portmapper.daemon.daemonize import detach

    if not detach(pid_files.write):
        pid_files.release()
        return 0
    begin_logging(arguments, "info", detached=True)
    try:
        return serve()
    except Exception as error:
        # Nobody sees standard error any more.
        expected = isinstance(error, PortmapperError)
        logging.getLogger(__name__).critical("%s", error or repr(error), exc_info=not expected)
        raise
