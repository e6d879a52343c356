"""Normalization of answers to SOAP calls, in a form that async-upnp-client accepts."""

from __future__ import annotations

import re
from http import HTTPStatus
from xml.etree.ElementTree import Element, SubElement, tostring

from async_upnp_client.client import UpnpAction
from async_upnp_client.const import HttpResponse

from portmapper.api import NetworkFailure
from portmapper_upnp.lenient_xml import parse, text_of
from portmapper_upnp.soap_fault import ACTION_FAILED, NO_CODE, Moved

_ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
_CONTROL = "urn:schemas-upnp-org:control-1-0"
_NUMBER = re.compile(r"-?[0-9]{1,5}")
_CODE_IN_DAMAGED_FAULT = re.compile(r"<(?:[\w.-]{1,30}:)?errorCode>\s*(-?[0-9]{1,5})\s*<", re.IGNORECASE)
_MOVED = frozenset({301, 302, 303, 307, 308, 404, 405, 410})


def canonical_reply(action: UpnpAction, response: HttpResponse) -> HttpResponse:
    """Return the answer with the right names and the HTTP status that matches its content.

    A fault or a result is recognized regardless of the HTTP status (H3), and as far as it is intact: a
    TP-Link Archer C8 overwrites bytes behind the essential part (H8). Any other content with a success
    status counts as success if the action returns nothing: the mapping is verified later anyway.

    Raises:
        Moved: the control URL does not exist, or redirects.
        NetworkFailure: the answer is neither a result nor a fault.
    """
    status = response.status_code
    root = _document(response.body or "")
    result = _first(root, f"{action.name}response".lower(), action.name.lower())
    if status in _MOVED and result is None:
        raise Moved(f"the gateway's control URL is gone (HTTP {status})")
    fault = _first(root, "fault", "upnperror")
    if fault is not None:
        return HttpResponse(HTTPStatus.INTERNAL_SERVER_ERROR, {}, _fault(fault))
    if result is None and not 200 <= status < 300:
        return HttpResponse(HTTPStatus.INTERNAL_SERVER_ERROR, {}, _bare_refusal(status))
    if result is None and action.out_arguments():
        raise NetworkFailure(f"the gateway's answer is invalid (HTTP {status})")
    return HttpResponse(HTTPStatus.OK, {}, _result(action, Element("Empty") if result is None else result))


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


def _fault(fault: Element) -> str:
    code = text_of(fault, "errorCode")
    number = code if _NUMBER.fullmatch(code) else str(ACTION_FAILED)
    return _fault_document(number, text_of(fault, "errorDescription") or text_of(fault, "faultstring"))


def _bare_refusal(status: int) -> str:
    """Return the fault for an error status without a fault, such as a web page (H3)."""
    return _fault_document(str(NO_CODE), f"HTTP {status}")


def _fault_document(number: str, description: str) -> str:
    envelope, body = _envelope()
    detail = SubElement(SubElement(body, "s:Fault"), "detail")
    error = SubElement(detail, "UPnPError", {"xmlns": _CONTROL})
    SubElement(error, "errorCode").text = number
    SubElement(error, "errorDescription").text = description
    return tostring(envelope, encoding="unicode")


def _result(action: UpnpAction, result: Element) -> str:
    envelope, body = _envelope()
    answer = SubElement(body, f"u:{action.name}Response", {"xmlns:u": action.service.service_type})
    for argument in result:
        SubElement(answer, argument.tag).text = _content(argument)
    return tostring(envelope, encoding="unicode")


def _content(argument: Element) -> str:
    """Return the text of an argument; convert a listing that was sent as elements back to text."""
    if len(argument):
        return "".join(tostring(child, encoding="unicode") for child in argument)
    return (argument.text or "").strip()


def _envelope() -> tuple[Element, Element]:
    envelope = Element("s:Envelope", {"xmlns:s": _ENVELOPE})
    return envelope, SubElement(envelope, "s:Body")
