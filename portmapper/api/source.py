"""The interfaces of sources (where a list comes from) and formats (how it is parsed)."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from portmapper.api.model import Family
from portmapper.support.values import frozen

MAX_DOCUMENT = 16 * 1024 * 1024
"""Maximum size of a decoded document in bytes; a source stops reading there."""


@frozen
class Document:
    """A document that a source fetched.

    Attributes:
        content: the bytes.
        content_type: media type without parameters, lower case; empty if unknown.
        suffix: file suffix such as `.csv`, lower case; empty if there is none.
    """

    content: bytes
    content_type: str = ""
    suffix: str = ""


@frozen
class Row:
    """One row of a document as written; `portmapper.sources.row_parser` expands it to mappings.

    Attributes:
        fields: field name to raw value: a string, or any JSON or TOML value.
        where: the row in messages: `line 4`, `[2]`, `mapping[2]`.
        field_where: one field in messages, with `{}` for the field: `line 4, column {}`.
        strict_keys: an unknown key is an error (TOML) instead of being ignored.
        error: why the row could not be split into fields; empty if it could.
        unfinished: the document ends before the row does. If such a row is also invalid, the file is probably
            still being written.
        origin: the object that the row was made for, such as `namespace/name`; empty for none. Events and
            status documents show it.
        line: the first line of the row in its document, if `where` does not name it; 0 for none.
    """

    fields: Mapping[str, object]
    where: str
    field_where: str
    strict_keys: bool = False
    error: str = ""
    unfinished: bool = False
    origin: str = ""
    line: int = 0


@frozen
class FormatOptions:
    """Options of formats.

    Attributes:
        csv_delimiter: one character.
        families: families of a row that names neither a family nor an address. Formats can ignore it.
        backends: names that a row may have as `backend`; empty for any. Formats can ignore it.
    """

    csv_delimiter: str = ";"
    families: Sequence[Family] = (Family.IPV4,)
    backends: Sequence[str] = ()


@frozen
class FetchOptions:
    """Options of sources that fetch from a server; others ignore them.

    Attributes:
        headers_file: a file with `Name: value` lines for each request, or `env:NAME` for an environment
            variable with such lines; empty for none.
        ca_file: certificates of authorities to trust, besides those of the system; None for none.
    """

    headers_file: str = ""
    ca_file: Path | None = None


class Format(abc.ABC):
    """A plugin that parses a document into rows.

    Attributes:
        name: as given to `--format`.
        suffixes: file suffixes with the dot, lower case.
        content_types: media types, lower case.
    """

    name: ClassVar[str]
    suffixes: ClassVar[Sequence[str]] = ()
    content_types: ClassVar[Sequence[str]] = ()

    @abc.abstractmethod
    def parse(self, content: bytes, options: FormatOptions) -> Iterable[Row]:
        """Yield the rows. Raise `SourceError` if the document as a whole cannot be parsed."""


class Source(abc.ABC):
    """One location that lists desired mappings.

    Attributes:
        name: name of this kind of source, such as `file`.
        location: as the user wrote it.
        fetch_limit: seconds after which `fetch` is canceled; None for no limit.
        is_path: the location is a path; in a settings file, a relative one is relative to that file.
        is_trusted: this host's operator writes the content, so it may name other hosts and overwrite their
            mappings. Otherwise, the settings file must allow that.
        may_be_empty: zero bytes are an empty list; otherwise the document counts as unreadable.
        may_be_down: the source may be unavailable for a time, so a daemon starts without it.
        is_authoritative: a list that suddenly loses most of its rows is used at once, because a server
            confirms each deletion.
        fetch_options: set before the first `fetch`.
    """

    name: ClassVar[str]
    fetch_limit: ClassVar[float | None] = 60.0
    is_path: ClassVar[bool] = False
    is_trusted: ClassVar[bool] = False
    may_be_empty: ClassVar[bool] = False
    may_be_down: ClassVar[bool] = False
    is_authoritative: ClassVar[bool] = False
    fetch_options: FetchOptions = FetchOptions()

    def __init__(self, location: str) -> None:
        self.location = location

    @classmethod
    @abc.abstractmethod
    def claims(cls, location: str) -> bool:
        """Return whether this kind of source reads the location. The first source that does gets it."""

    @abc.abstractmethod
    async def fetch(self) -> Document | Sequence[Row]:
        """Fetch the whole content now. Raise `SourceError` with a one-line message."""

    async def watch(self, changed: Callable[[], None]) -> None:  # noqa: B027 - without it, the source is polled
        """Start watching and return. `changed` is called when the content may have changed, until `close`."""

    async def close(self) -> None:  # noqa: B027 - most hold nothing open
        """Stop watching and free resources."""
