"""Answers to SOAP calls, as far as they are intact."""

from __future__ import annotations

import re
from collections.abc import Collection
from xml.etree.ElementTree import Element, SubElement, tostring

from async_upnp_client.const import HttpResponse

from portmapper.api import NetworkFailure
from portmapper_upnp.lenient_xml import parse, text_of
from portmapper_upnp.soap_fault import ACTION_FAILED, NO_CODE, Fault, Moved

_NUMBER = re.compile(r"-?[0-9]{1,5}")
_CODE_IN_DAMAGED_FAULT = re.compile(r"<(?:[\w.-]{1,30}:)?errorCode>\s*(-?[0-9]{1,5})\s*<", re.IGNORECASE)
_MOVED = frozenset({301, 302, 303, 307, 308, 404, 405, 410})


def read_reply(action: str, results: Collection[str], response: HttpResponse) -> dict[str, str]:
    """Return the output arguments of an answer as text.

    A fault or a result is recognized regardless of the HTTP status (H3), and as far as it is intact: a
    TP-Link Archer C8 overwrites bytes behind the essential part (H8). Any other content with a success
    status counts as success if the action returns nothing: the mapping is verified later anyway.

    Args:
        action: the name of the action.
        results: the names of its output arguments; others are ignored.
        response: the HTTP answer.

    Raises:
        Fault: the gateway refused.
        Moved: the control URL does not exist, or redirects.
        NetworkFailure: the answer is neither a result nor a fault.
    """
    status = response.status_code
    root = _document(response.body or "")
    result = _first(root, f"{action}response".lower(), action.lower())
    if status in _MOVED and result is None:
        raise Moved(f"the gateway's control URL is gone (HTTP {status})")
    fault = _first(root, "fault", "upnperror")
    if fault is not None:
        raise _fault(fault)
    if result is None and not 200 <= status < 300:
        raise Fault(NO_CODE, f"HTTP {status}")  # such as a web page (H3)
    if result is None and results:
        raise NetworkFailure(f"the gateway's answer is invalid (HTTP {status})")
    return {} if result is None else {part.tag: _content(part) for part in result if part.tag in results}


def _document(text: str) -> Element:
    """Parse the intact part of an answer; return an empty document if there is none."""
    if "<" not in text:
        return Element("Empty")
    try:
        return parse(text, allow_truncated=True)
    except NetworkFailure:
        return _damaged_fault(text)


def _damaged_fault(text: str) -> Element:
    """Return the fault of a document that is damaged around its error code; an empty one without a code."""
    document = Element("Empty")
    if found := _CODE_IN_DAMAGED_FAULT.search(text):
        SubElement(SubElement(document, "UPnPError"), "errorCode").text = found[1]
    return document


def _first(root: Element, *names: str) -> Element | None:
    """Return the first element with one of these lower-case names; routers differ in their case."""
    return next((found for found in root.iter() if found.tag.lower() in names), None)


def _fault(fault: Element) -> Fault:
    code = text_of(fault, "errorCode")
    number = int(code) if _NUMBER.fullmatch(code) else ACTION_FAILED
    return Fault(number, text_of(fault, "errorDescription") or text_of(fault, "faultstring"))


def _content(argument: Element) -> str:
    """Return the text of an argument; convert a listing that was sent as elements back to text."""
    if len(argument):
        return "".join(tostring(child, encoding="unicode") for child in argument)
    return (argument.text or "").strip()
