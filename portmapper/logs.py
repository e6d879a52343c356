"""The log: one line an event, as text or as JSON, with nothing in it that a terminal would obey."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TextIO

from portmapper.text import printable

STRANGERS = ("asyncio", "aiohttp", "async_upnp_client")
"""Libraries that log what we report ourselves, in words of their own."""


class TextFormatter(logging.Formatter):
    """Time, level and message; never more than one line unless a traceback follows."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """Make the message harmless: it may quote a gateway or a source."""
        record.message = printable(record.message, 2000)
        return super().formatMessage(record)


class JSONFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        document = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": printable(record.getMessage(), 2000),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document)


def start_logging(stream: TextIO, level: int, form: str) -> logging.Handler:
    """Send all lines from `level` up to `stream`, of the libraries below only what is an error."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in STRANGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    return handler
