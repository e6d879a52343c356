"""The `stdin` source: standard input, read once to its end and kept."""

from __future__ import annotations

from portmapper.api import Document, Source, SourceError
from portmapper.support.threads import in_thread
from portmapper_files.bounded_read import read_all

_STDIN = 0


class StdinSource(Source):
    """The location `-`; use `./-` for a file of that name."""

    name = "stdin"
    is_trusted = True
    may_be_empty = True  # as in upnp-daemon
    fetch_limit = None  # a person may be typing

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._document: Document | None = None

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim the location `-` only."""
        return location == "-"

    async def fetch(self) -> Document:
        """Read to the end of the input the first time, then return the kept document."""
        if self._document is None:
            try:
                self._document = Document(await in_thread(lambda: read_all(_STDIN)))
            except OSError as error:
                raise SourceError(f"cannot read standard input: {error.strerror}") from None
        return self._document
