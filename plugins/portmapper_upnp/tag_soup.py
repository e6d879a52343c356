"""A reader for descriptions that are no XML: it pairs tags as far as they match, as miniupnpc does (H14).

It keeps only what a description needs: local names, and the texts of elements that are closed.
"""

from __future__ import annotations

import re
from html import unescape
from xml.etree.ElementTree import Element

from portmapper.api import NetworkFailure, Unsupported

MAX_DEPTH = 32
MAX_TAGS = 5000
"""Tags that are read; the description of a home gateway has fewer than 500."""

_TAG = re.compile(r"<(?P<close>/?)(?:[\w.-]{1,40}:)?(?P<name>[A-Za-z][\w.-]{0,63})(?P<rest>[^<>]{0,400})>")
_DOCTYPE = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def read_tags(text: str) -> Element:
    """Return the tags of a document as a tree below an element of our own.

    Raises:
        NetworkFailure: its tags are nested too deeply.
        Unsupported: it has a document type.
    """
    if _DOCTYPE.search(text):
        raise Unsupported("the gateway sent XML with a document type, which is refused")
    opened = [Element("document")]
    end = 0
    for count, tag in enumerate(_TAG.finditer(text)):
        if count == MAX_TAGS:
            break
        between, end = text[end : tag.start()], tag.end()
        if tag["close"]:
            _close(opened, tag["name"], between)
        elif tag["rest"].endswith("/"):
            opened[-1].append(Element(tag["name"]))
        elif len(opened) < MAX_DEPTH:
            opened.append(Element(tag["name"]))
        else:
            raise NetworkFailure("the gateway sent tags that are nested too deeply")
    _close_truncated(opened)
    return opened[0]


def _close(opened: list[Element], name: str, text: str) -> None:
    """Close the innermost element of this name. What an element inside it has belongs to it, too."""
    if name not in (element.tag for element in opened[1:]):
        return
    if opened[-1].tag == name and not len(opened[-1]):
        opened[-1].text = unescape(text)
    while (inner := opened.pop()).tag != name:
        opened[-1].extend(inner)
    opened[-1].append(inner)


def _close_truncated(opened: list[Element]) -> None:
    """Close the open elements, and drop one whose text may be incomplete."""
    while len(opened) > 1:
        inner = opened.pop()
        if len(inner):
            opened[-1].append(inner)
