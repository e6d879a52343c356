"""Reads the annotation `ports` of a Service, such as `https:443, dns:53/udp, game:any`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from portmapper.api import PROTOCOLS, quoted
from portmapper_kubernetes.objects import MAX_TEXT, ServicePort
from portmapper_kubernetes.rejections import InvalidSpec

MAX_WISHES = 64
"""Ports that one object may open."""

ALL = "all"
ANY = "any"
_WISH = re.compile(
    r"(?P<port>[a-z0-9-]{1,63})(?::(?P<external>any|\d{1,5}))?(?:/(?P<protocol>tcp|udp))?", re.ASCII
)


@attrs.frozen
class Wish:
    """One port of a Service that should be open.

    Attributes:
        port: the Service's port.
        external: the external port; `ANY` lets the gateway choose.
    """

    port: ServicePort
    external: int | str


def read_wishes(text: str, ports: Sequence[ServicePort]) -> list[Wish]:
    """Return what the annotation asks for.

    Raises:
        InvalidSpec: the annotation is invalid, or names a port that the Service does not have.
    """
    if len(text) > MAX_TEXT:
        raise InvalidSpec(f"the annotation ports is longer than {MAX_TEXT} characters")
    wishes = [wish for part in text.split(",") for wish in _wishes(part.strip(), ports)]
    if len(wishes) > MAX_WISHES:
        raise InvalidSpec(f"{len(wishes)} ports: one Service may open {MAX_WISHES}")
    return wishes


def _wishes(part: str, ports: Sequence[ServicePort]) -> Iterator[Wish]:
    found = _WISH.fullmatch(part.lower())
    if found is None:
        raise InvalidSpec(f"{quoted(part)} is not NAME, NUMBER, NAME:EXTERNAL or NAME:any, with /tcp or /udp")
    chosen = _chosen(found["port"], (found["protocol"] or "").upper(), ports)
    external = _external(found["external"])
    if external not in (None, ANY) and len({port.port for port in chosen}) > 1:
        raise InvalidSpec(f"{quoted(part)}: several ports cannot have the same external port")
    for port in chosen:
        yield Wish(port, external or port.port)


def _chosen(name: str, protocol: str, ports: Sequence[ServicePort]) -> list[ServicePort]:
    chosen = [port for port in ports if name in (ALL, port.name.lower(), str(port.port))]
    if not chosen:
        known = ", ".join(port.name or str(port.port) for port in ports[:10])
        raise InvalidSpec(f"the Service has no port {quoted(name)}; its ports: {known or 'none'}")
    usable = [port for port in chosen if port.protocol in PROTOCOLS and protocol in ("", port.protocol)]
    if not usable:
        reason = (
            f"is not {protocol}" if protocol else f"is {chosen[0].protocol}: gateways map TCP and UDP only"
        )
        raise InvalidSpec(f"the Service's port {quoted(name)} {reason}")
    return usable


def _external(text: str | None) -> int | str | None:
    if text is None or text == ANY:
        return text
    if not 1 <= int(text) <= 65535:
        raise InvalidSpec(f"{text} is not a port (1-65535)")
    return int(text)
