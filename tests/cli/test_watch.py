"""The live table of `run`."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import pytest

from portmapper.cli.watch import live_table


async def test_the_document_is_shown_until_cancelled(capsys: pytest.CaptureFixture[str]) -> None:
    """The last state stays on the screen, and log handlers get their stream back."""
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    stream = handler.stream
    documents: list[dict[str, Any]] = []

    def document() -> dict[str, Any]:
        documents.append({"mappings": [], "gateways": [], "sources": [], "error": f"state {len(documents)}"})
        return documents[-1]

    task = asyncio.create_task(live_table(document))
    while not documents:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert documents[-1]["error"] in capsys.readouterr().out
    assert handler.stream is stream
