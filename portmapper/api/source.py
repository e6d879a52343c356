"""What a source and a format are: where a list of mappings comes from, and how it is written."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

import attrs

from portmapper.api.model import Family

MAX_DOCUMENT = 16 * 1024 * 1024
"""Bytes a document may have once decoded; a source stops reading there."""


@attrs.frozen
class Document:
    """What a source fetched.

    Attributes:
        content: the bytes.
        content_type: media type without parameters, lower case, when the source knows it.
        suffix: file suffix such as `.csv`, lower case, when there is one.
    """

    content: bytes
    content_type: str = ""
    suffix: str = ""


@attrs.frozen
class Row:
    """One wanted row as it was written; `portmapper.sources.row_parser` turns it into mappings.

    Attributes:
        fields: field name to raw value: text, or what JSON and TOML know.
        place: how to call the row in a message: `line 4`, `[2]`, `mapping[2]`.
        field_place: the same for one field, with `{}` for its name: `line 4, column {}`.
        strict_keys: an unknown key is an error (TOML), not something to ignore.
        error: the row could not even be split into fields; the reason.
        unfinished: the document ends without ending this row; when it is wrong, too, somebody is still
            writing.
    """

    fields: Mapping[str, object]
    place: str
    field_place: str
    strict_keys: bool = False
    error: str = ""
    unfinished: bool = False


@attrs.frozen
class FormatOptions:
    """What the user may set about formats.

    Attributes:
        csv_delimiter: one character.
        families: those of a row that names neither a family nor an address; no format need know.
    """

    csv_delimiter: str = ";"
    families: Sequence[Family] = (Family.IPV4,)


class Format(abc.ABC):
    """A plugin that parses a document into rows.

    Attributes:
        name: as `--format` takes it.
        suffixes: file suffixes with their dot, lower case.
        content_types: media types, lower case.
    """

    name: ClassVar[str]
    suffixes: ClassVar[Sequence[str]] = ()
    content_types: ClassVar[Sequence[str]] = ()

    @abc.abstractmethod
    def parse(self, content: bytes, options: FormatOptions) -> Iterable[Row]:
        """Yield the rows. Raises `SourceError` when the document as a whole cannot be parsed."""


class Source(abc.ABC):
    """A plugin's connection to one place that lists wanted mappings.

    Attributes:
        name: the plugin's word for this kind of source, such as `file`.
        location: as the user wrote it.
        fetch_limit: seconds after which `fetch` is cut off; None waits as long as it takes.
    """

    name: ClassVar[str]
    fetch_limit: ClassVar[float | None] = 60.0

    def __init__(self, location: str) -> None:
        self.location = location

    @classmethod
    @abc.abstractmethod
    def claims(cls, location: str) -> bool:
        """Tell whether this kind of source reads that location. The first that says yes gets it."""

    @abc.abstractmethod
    async def fetch(self) -> Document | Sequence[Row]:
        """Read it now, whole. Raises `SourceError` with one clear line."""

    async def watch(self, changed: Callable[[], None]) -> None:  # noqa: B027 - polling is the floor
        """Call `changed` when the content may be another, until `close`; returns at once."""

    async def close(self) -> None:  # noqa: B027 - most hold nothing open
        """Stop watching and free what is open."""
