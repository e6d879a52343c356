"""A bounded parser for the XML that routers send, by local names.

expat runs without namespace processing: with it an unbound prefix is an error, and wrong, unbound and
missing namespaces are all common (H2). The resulting tree has local names only; callers that need
namespaces add the right ones.
"""

from __future__ import annotations

import re
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from portmapper.api import NetworkFailure, Unsupported

MAX_DEPTH = 32
"""Maximum depth of nesting. The description of an IGD is ten levels deep."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_STRAY_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)")


def parse(text: str, *, allow_truncated: bool = False) -> Element:
    """Parse a document; return its root with local names and without attributes.

    Args:
        text: the document as received.
        allow_truncated: keep the complete elements before an error or an early end: some routers
            miscount the length of their description.

    Raises:
        Unsupported: it has a document type, which no router needs and which can define entities.
        NetworkFailure: it is not XML, or nested too deeply.
    """
    return _TreeReader().read(_without_comments(text), allow_truncated)


def text_of(element: Element | None, name: str) -> str:
    """Return the stripped text of the first descendant with that name, empty if there is none."""
    found = None if element is None else element.find(f".//{name}")
    return "" if found is None else (found.text or "").strip()


def _without_comments(text: str) -> str:
    """Remove comments: XML forbids two hyphens inside one, but routers draw lines with hyphens."""
    first, *others = text.split("<!--")
    return first + "".join(other.partition("-->")[2] for other in others)


def _ends_in_closing_tag(text: str, error_at: int) -> bool:
    """Tell whether the parser stopped inside a closing tag: the text before it is complete."""
    data = text.encode("utf-8")
    return data[data.rfind(b"<", 0, error_at + 1) :].startswith(b"</")


class _TreeReader:
    def __init__(self) -> None:
        self._tree = TreeBuilder()
        self._open: list[Element] = []
        self._complete = False

    def read(self, text: str, allow_truncated: bool) -> Element:
        text = _STRAY_AMPERSAND.sub("&amp;", _CONTROL.sub("", text[max(text.find("<"), 0) :]))
        parser = self._parser()
        try:
            parser.Parse(text.encode("utf-8"), True)
        except expat.ExpatError as error:
            # Ignore errors after the end of the root element.
            if not self._complete and not (allow_truncated and self._open):
                what = expat.ErrorString(error.code)
                raise NetworkFailure(f"the gateway sent broken XML: {what}") from error
            self._close_truncated(_ends_in_closing_tag(text, parser.ErrorByteIndex))
        return self._tree.close()

    def _parser(self) -> expat.XMLParserType:
        """Return a parser that calls this reader.

        The reader does not hold it: each reply would leave a cycle of 12 KiB to the garbage collector.
        """
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        return parser

    def _close_truncated(self, last_is_complete: bool) -> None:
        """Close the open elements, and drop the last one if its text may be incomplete."""
        if len(self._open) > 1 and not len(self._open[-1]) and not last_is_complete:
            self._open[-2].remove(self._open[-1])
        while self._open:
            self._tree.end(self._open.pop().tag)

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        if len(self._open) == MAX_DEPTH:
            raise NetworkFailure("the gateway sent XML that is nested too deeply")
        self._open.append(self._tree.start(name.rpartition(":")[2], {}))

    def _end(self, _name: str) -> None:
        self._tree.end(self._open.pop().tag)
        self._complete = not self._open

    def _data(self, data: str) -> None:
        if self._open:
            self._tree.data(data)

    def _refuse_doctype(self, *_: object) -> NoReturn:
        raise Unsupported("the gateway sent XML with a document type, which is refused")
