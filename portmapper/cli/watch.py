"""The live status table of `run` on a terminal."""

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
    """Show the document and update it every second until cancelled; log lines appear above it."""
    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        # The live display redirects standard error. Log handlers still have the original stream.
        streams = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
        originals = [handler.setStream(sys.stderr) for handler in streams]
        try:
            while True:
                live.update(render(document()), refresh=True)
                await asyncio.sleep(1)
        finally:
            live.update(render(document()), refresh=True)
            for handler, stream in zip(streams, originals, strict=True):
                if stream is not None:
                    handler.setStream(stream)
