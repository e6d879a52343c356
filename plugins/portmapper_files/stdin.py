"""Standard input as a source: read once, to its end, and kept."""

from __future__ import annotations

from portmapper.api import Document, Source, SourceError
from portmapper.support.threads import in_thread
from portmapper_files.reading import read_all

_STDIN = 0


class StdinSource(Source):
    """The location `-`; a file of that name is `./-`."""

    name = "stdin"
    fetch_limit = None  # a person may be typing

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._document: Document | None = None

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim exactly `-`."""
        return location == "-"

    async def fetch(self) -> Document:
        """Wait for the end of the input the first time; a pipe cannot be read twice."""
        if self._document is None:
            try:
                self._document = Document(await in_thread(lambda: read_all(_STDIN)))
            except OSError as error:
                raise SourceError(f"cannot read standard input: {error.strerror}") from None
        return self._document
