"""Parses the XML that routers send, by local names and within bounds.

expat is used without namespaces because an unbound prefix is an error with them, and wrong, unbound
and missing namespaces are all common (H2). It builds a tree of bare local names; whoever needs
namespaces puts the right ones on.
"""

from __future__ import annotations

import re
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from portmapper.api import NetworkFailure, Unsupported

MAX_DEPTH = 32
"""A description of an IGD nests ten deep."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_STRAY_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)")


def parse(text: str, *, may_break_off: bool = False) -> Element:
    """Return the document's root, all names local, without attributes.

    Args:
        text: as it came.
        may_break_off: what stands whole before a mistake or the end is taken: some routers miscount
            the length of their description.

    Raises:
        Unsupported: it has a document type: no router needs one, and entities are made with it.
        NetworkFailure: it is not XML, or nests too deep.
    """
    return _Reader().read(_without_comments(text), may_break_off)


def words(element: Element | None, name: str) -> str:
    """Return the text of the first descendant of that name, stripped; empty when there is none."""
    found = None if element is None else element.find(f".//{name}")
    return "" if found is None else (found.text or "").strip()


def _without_comments(text: str) -> str:
    """Take the comments out: XML forbids two hyphens in one, and routers draw lines with them."""
    first, *others = text.split("<!--")
    return first + "".join(other.partition("-->")[2] for other in others)


class _Reader:
    def __init__(self) -> None:
        self._tree = TreeBuilder()
        self._open: list[Element] = []
        self._complete = False
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = self._refuse

    def read(self, text: str, may_break_off: bool) -> Element:
        text = _STRAY_AMPERSAND.sub("&amp;", _CONTROL.sub("", text[max(text.find("<"), 0) :]))
        try:
            self._parser.Parse(text.encode("utf-8"), True)
        except expat.ExpatError as error:
            # What follows the root element is of no interest.
            if not self._complete and not (may_break_off and self._open):
                what = expat.ErrorString(error.code)
                raise NetworkFailure(f"the gateway sent broken XML: {what}") from error
            self._break_off()
        return self._tree.close()

    def _break_off(self) -> None:
        """Close what is open, and take half a text away: it is none."""
        if len(self._open) > 1 and not len(self._open[-1]):
            self._open[-2].remove(self._open[-1])
        while self._open:
            self._tree.end(self._open.pop().tag)

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        if len(self._open) == MAX_DEPTH:
            raise NetworkFailure("the gateway sent XML that nests too deep")
        self._open.append(self._tree.start(name.rpartition(":")[2], {}))

    def _end(self, _name: str) -> None:
        self._tree.end(self._open.pop().tag)
        self._complete = not self._open

    def _data(self, data: str) -> None:
        if self._open:
            self._tree.data(data)

    def _refuse(self, *_: object) -> NoReturn:
        raise Unsupported("the gateway sent XML with a document type, which is refused")
