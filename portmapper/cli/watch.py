"""The status table of a run on a terminal, alive."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live

from portmapper.cli.tables import render


async def live_table(document: Callable[[], dict[str, Any]]) -> None:
    """Show the document until cancelled, once a second; what is logged scrolls by above it."""
    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        # The live display redirects standard error; a log handler kept the original.
        streams = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
        before = [handler.setStream(sys.stderr) for handler in streams]
        try:
            while True:
                live.update(render(document()), refresh=True)
                await asyncio.sleep(1)
        finally:
            live.update(render(document()), refresh=True)
            for handler, stream in zip(streams, before, strict=True):
                if stream is not None:
                    handler.setStream(stream)
