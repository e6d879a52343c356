"""Capture of a program's standard error while the program runs."""

from __future__ import annotations

import asyncio
import os
import sys
from types import TracebackType
from typing import Self

from portmapper.support.text import printable

MAX_CAPTURED = 400
"""Bytes kept from the start of the output; the rest is read and dropped."""


class StderrCapture:
    """Own pipe for a program's standard error.

    With a pipe of asyncio, `Process.wait` also waits until the pipe is closed. A process that the
    program left in the background can keep it open indefinitely.
    """

    def __init__(self) -> None:
        self._captured = bytearray()
        self._read_end = -1
        self._write_end = asyncio.subprocess.DEVNULL

    @property
    def pipe(self) -> int:
        """File descriptor to pass as the program's standard error."""
        return self._write_end

    def __enter__(self) -> Self:
        """Start reading."""
        if sys.platform != "win32":  # the event loop on Windows cannot watch a pipe
            self._read_end, self._write_end = os.pipe()
            os.set_blocking(self._read_end, False)
            asyncio.get_running_loop().add_reader(self._read_end, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading and close the pipe."""
        if self._read_end >= 0:
            asyncio.get_running_loop().remove_reader(self._read_end)
            os.close(self._read_end)
            os.close(self._write_end)

    def __str__(self) -> str:
        """Return `: TEXT` for a log line, or an empty string."""
        if self._read_end >= 0:
            self._read()
        text = self._captured.decode(errors="replace").strip()
        return f": {printable(text)}" if text else ""

    def _read(self) -> None:
        try:
            chunk = os.read(self._read_end, 65536)
        except BlockingIOError:
            return
        self._captured += chunk[: MAX_CAPTURED - len(self._captured)]
