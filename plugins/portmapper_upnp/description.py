"""Normalization of device descriptions: only the needed parts, in a form that async-upnp-client accepts."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from portmapper.api import NetworkFailure, Unsupported
from portmapper_upnp.control_url import own_page, possible_urls
from portmapper_upnp.lenient_xml import parse, text_of
from portmapper_upnp.scpd import ServiceKind

MAX_SERVICES = 16
"""Services with one URL each. A service with an ambiguous control URL counts several times (H9)."""

MAX_TEXT = 80

_STANDARD_NAMES = (
    "URLBase",
    "device",
    "deviceType",
    "friendlyName",
    "modelName",
    "UDN",
    "presentationURL",
    "service",
    "serviceType",
    "controlURL",
    "eventSubURL",
)
_NAMES = {name.lower(): name for name in _STANDARD_NAMES}
_NAMESPACE = "urn:schemas-upnp-org:device-1-0"


def canonical_description(text: str, location: str, kind: ServiceKind) -> str:
    """Rewrite a description to its services of one kind, with absolute control URLs.

    Each service gets its own embedded device, because `UpnpDevice` indexes services by type and would drop
    one of two WAN connections of the same device (S1).

    Args:
        text: the document as the device sent it.
        location: the URL it was fetched from; its host replaces any other host in a control URL.
        kind: the kind of service to keep.

    Raises:
        Unsupported: the document has no device, no such service (D8), or a document type.
        NetworkFailure: the document is not XML.
    """
    root, services = _read(text, location, kind)
    device = root if root.tag == "device" else root.find(".//device")
    if device is None or not services:
        raise Unsupported(f"the device describes no {kind.name}")
    canonical = Element("root", {"xmlns": _NAMESPACE})
    described = SubElement(canonical, "device")
    _set_text(described, "deviceType", _own_text(device, "deviceType"))
    _set_text(described, "friendlyName", _own_text(device, "friendlyName"))
    _set_text(described, "modelName", _own_text(device, "modelName"))
    _set_text(described, "UDN", _own_text(device, "UDN"))
    page = _own_text(device, "presentationURL")
    _set_text(described, "presentationURL", (page and own_page(page, location)) or "")
    _add_services(described, services)
    return tostring(canonical, encoding="unicode")


def _read(text: str, location: str, kind: ServiceKind) -> tuple[Element, list[tuple[str, str, str]]]:
    """Return the document and its services. If it has none as XML, pair its tags as far as they match."""
    failure: NetworkFailure | None = None
    try:
        root = _with_standard_names(parse(text, allow_truncated=True))
        if services := _services(root, location, kind):
            return root, services
    except NetworkFailure as error:
        failure = error
    from portmapper_upnp.tag_soup import read_tags  # few gateways need it, and it loads all HTML entities

    root = _with_standard_names(read_tags(text))
    services = _services(root, location, kind)
    if failure is not None and not services:
        raise failure
    return root, services


def _with_standard_names(root: Element) -> Element:
    """Give elements their standard names in place of other spellings, such as `controlUrl` (H13)."""
    for element in root.iter():
        element.tag = _NAMES.get(element.tag.lower(), element.tag)
    return root


def _services(root: Element, location: str, desired: ServiceKind) -> list[tuple[str, str, str]]:
    """Return type, control URL and event URL of the services of the desired kind, once per control URL.

    An empty control URL is that of the description (RFC 3986, 5.2). It is used if no service has another.
    """
    bases = [text_of(root, "URLBase"), location]
    services = [s for s in root.iter("service") if desired.types.fullmatch(text_of(s, "serviceType"))]
    services = [s for s in services if s.find("controlURL") is not None]
    found = []
    for service in [s for s in services if text_of(s, "controlURL")] or services:
        kind, control = text_of(service, "serviceType"), text_of(service, "controlURL")
        event = text_of(service, "eventSubURL")
        events = next(iter(possible_urls(event, bases, location)), "") if event else ""
        found += [(kind, url, events) for url in possible_urls(control, bases, location)]
    return found[:MAX_SERVICES]


def _add_services(described: Element, services: list[tuple[str, str, str]]) -> None:
    devices = SubElement(described, "deviceList")
    for number, (kind, url, events) in enumerate(services):
        embedded = SubElement(devices, "device")
        _set_text(embedded, "deviceType", str(number))
        service = SubElement(SubElement(embedded, "serviceList"), "service")
        _set_text(service, "serviceType", kind)
        _set_text(service, "controlURL", url)
        _set_text(service, "eventSubURL", events)


def _own_text(device: Element, name: str) -> str:
    """Return a text of the device itself, not of an embedded device; truncate it, as it is untrusted."""
    text = (device.findtext(name) or "").strip()
    return "".join(character for character in text if character.isprintable())[:MAX_TEXT]


def _set_text(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = text
