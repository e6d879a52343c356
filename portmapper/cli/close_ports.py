"""`portmapper run --only-close-ports`: close the ports of lists."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portmapper.pluginhost.manager import Plugins
    from portmapper.sources.reader import SourceReader
    from portmapper.store.leases import Store


async def close_ports(
    arguments: argparse.Namespace, plugins: Plugins, readers: Sequence[SourceReader], store: Store
) -> int:
    """Close the ports that the sources list, and return the exit status."""
    import asyncio

    from portmapper.actions.close_listed import ListCloser
    from portmapper.daemon.signals import signal_handlers
    from portmapper.pluginhost.faults import instantiate
    from portmapper.sources.field_parsers import parse_conflict
    from portmapper.sources.reader import read_first

    closer = ListCloser(
        instantiate("backend", plugins.choose_backends(arguments.backend)),
        store,
        chosen=arguments.gateway,
        conflict=parse_conflict(arguments.conflict),
    )

    async def close() -> None:
        readings = await read_first(readers)
        await closer.close([mapping for reading in readings for mapping in reading.mappings])

    def stop() -> None:
        task.cancel()

    task = asyncio.create_task(close())
    with signal_handlers(stop=stop, interrupt=stop, reload=lambda: None):
        await asyncio.wait([task])
    if task.cancelled():
        return 0
    task.result()
    return 1 if closer.failed else 0
