"""Turns any device description into one that async-upnp-client understands, with what we need and no more."""

from __future__ import annotations

from urllib.parse import urljoin
from xml.etree.ElementTree import Element, SubElement, tostring

from portmapper.api import Unsupported
from portmapper_upnp.lenient_xml import parse, words
from portmapper_upnp.location import at_same_host
from portmapper_upnp.scpd import ServiceKind

MAX_SERVICES = 8
MAX_TEXT = 80

_NAMESPACE = "urn:schemas-upnp-org:device-1-0"


def canonical_description(text: str, location: str, kind: ServiceKind) -> str:
    """Return the description rewritten: its services of one kind, with absolute control URLs.

    Each service gets an embedded device of its own, because `UpnpDevice` keeps its services by their
    type and would lose one of two WAN connections of one device (S1).

    Args:
        text: what the device sent.
        location: where it was fetched; nothing on another host is taken over.
        kind: the services wanted.

    Raises:
        Unsupported: no device, no such service (D8), or a document type.
        NetworkFailure: it is not XML.
    """
    root = parse(text, may_break_off=True)
    device = root if root.tag == "device" else root.find(".//device")
    services = _services(root, location, kind)
    if device is None or not services:
        raise Unsupported(f"the device describes no {kind.name}")
    canonical = Element("root", {"xmlns": _NAMESPACE})
    described = SubElement(canonical, "device")
    _tell(described, "deviceType", _own(device, "deviceType"))
    _tell(described, "friendlyName", _own(device, "friendlyName"))
    _tell(described, "modelName", _own(device, "modelName"))
    _tell(described, "UDN", _own(device, "UDN"))
    _add_services(described, services)
    return tostring(canonical, encoding="unicode")


def _services(root: Element, location: str, desired: ServiceKind) -> list[tuple[str, str]]:
    """Return type and control URL of each service that is wanted and whose URL we may use."""
    base = _resolve(location, words(root, "URLBase"), location) or location
    found = []
    for service in root.iter("service"):
        kind, control = words(service, "serviceType"), words(service, "controlURL")
        if control and desired.types.fullmatch(kind):
            url = _resolve(base, control, location)
            if url is not None:
                found.append((kind, url))
    return found[:MAX_SERVICES]


def _resolve(base: str, reference: str, location: str) -> str | None:
    try:
        return at_same_host(urljoin(base, reference), location)
    except ValueError:  # an unbalanced bracket, for one
        return None


def _add_services(described: Element, services: list[tuple[str, str]]) -> None:
    devices = SubElement(described, "deviceList")
    for number, (kind, url) in enumerate(services):
        embedded = SubElement(devices, "device")
        _tell(embedded, "deviceType", str(number))
        service = SubElement(SubElement(embedded, "serviceList"), "service")
        _tell(service, "serviceType", kind)
        _tell(service, "controlURL", url)


def _own(device: Element, name: str) -> str:
    """Return a text of the device itself, not of one embedded in it; untrusted, so cut short."""
    text = (device.findtext(name) or "").strip()
    return "".join(character for character in text if character.isprintable())[:MAX_TEXT]


def _tell(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text
