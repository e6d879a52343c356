"""What a program says on its standard error: read as long as it runs, and no longer."""

from __future__ import annotations

import asyncio
import os
import sys
from types import TracebackType
from typing import Self

from portmapper.support.text import printable

MAX_SAID = 400
"""Bytes that are kept, from the beginning; the rest is read and dropped."""


class Said:
    """A pipe of our own.

    With one of asyncio's, `wait` would wait until it is closed, too,
    and something that the program left in the background may hold it open for ever.
    """

    def __init__(self) -> None:
        self._kept = bytearray()
        self._read_end = -1
        self._write_end = asyncio.subprocess.DEVNULL

    @property
    def pipe(self) -> int:
        """What the program gets as its standard error."""
        return self._write_end

    def __enter__(self) -> Self:
        """Begin to read."""
        if sys.platform != "win32":  # the loop there cannot watch a pipe
            self._read_end, self._write_end = os.pipe()
            os.set_blocking(self._read_end, False)
            asyncio.get_running_loop().add_reader(self._read_end, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Read no more."""
        if self._read_end >= 0:
            asyncio.get_running_loop().remove_reader(self._read_end)
            os.close(self._read_end)
            os.close(self._write_end)

    def __str__(self) -> str:
        if self._read_end >= 0:
            self._read()
        text = self._kept.decode(errors="replace").strip()
        return f": {printable(text)}" if text else ""

    def _read(self) -> None:
        try:
            part = os.read(self._read_end, 65536)
        except BlockingIOError:
            return
        self._kept += part[: MAX_SAID - len(self._kept)]
