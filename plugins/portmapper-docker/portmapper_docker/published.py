"""Rows for published ports, and for the label of portical, which other containers of the user may have."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from portmapper.api import Row, quoted
from portmapper_docker.grace import Found
from portmapper_docker.labels import MAX_MAPPINGS, OTHERS, PREFIX, comment_of, has_ports, rejected, rows_of

PORTICAL = "portical.upnp.forward"
_RULE = re.compile(r"([0-9]{1,5})(?::([0-9]{1,5}))?(?:/(tcp|udp))?", re.ASCII | re.IGNORECASE)
_PROTOCOLS = ("tcp", "udp")

Port = tuple[int, str]
"""A port of this host and its protocol."""


def published_ports(container: Any) -> list[Port]:
    """Return the ports of this host that the engine forwards to a container, except for those on loopback.

    A port that is published for IPv4 and IPv6 is one port. Raises one of `FAILURES` if they are invalid.
    """
    found = set()
    for port in _listed(container):
        number, protocol, address = port.get("PublicPort"), port.get("Type"), port.get("IP") or "0.0.0.0"
        if protocol not in _PROTOCOLS or type(number) is not int or not 1 <= number <= 65535:
            continue  # not published, or SCTP
        if not ipaddress.ip_address(address).is_loopback:
            found.add((number, protocol))
    return sorted(found)


def _listed(container: Any) -> Any:
    try:
        return container["Ports"] or ()
    except KeyError:
        return ()  # a container with the network of another one


def container_rows(container: Found, expose: str) -> Iterator[Row]:
    """Yield the rows of one container: of its labels, of portical's label, or of its published ports.

    Its ports may be those of another host: a network of the LAN gives the container its own address, and a
    remote engine publishes the ports at its host. The policy decides whether such rows are allowed.
    """
    for row in _rows(container, expose):
        if container.address and not row.error:
            yield attrs.evolve(row, fields={**row.fields, "address": container.address})
        else:
            yield row


def _rows(container: Found, expose: str) -> Iterator[Row]:
    name, labels, ports = container.name, container.labels, container.ports
    if has_ports(labels):
        yield from rows_of(name, labels)
    elif PORTICAL in labels:
        yield from _portical_rows(name, labels, ports)
    elif expose == "published":
        yield from _published_rows(name, labels, ports, f"container {name}, published port")
    else:
        yield from rows_of(name, labels)


def _portical_rows(name: str, labels: Mapping[str, str], ports: list[Port]) -> Iterator[Row]:
    text, place = labels[PORTICAL].strip(), f"container {name}, label {PORTICAL}"
    if text == "published":
        yield from _published_rows(name, labels, ports, place)
        return
    rules = text.split(",")
    if len(rules) > MAX_MAPPINGS // 2:
        yield rejected(place, f"asks for {len(rules)} ports, and one container may have {MAX_MAPPINGS // 2}")
        return
    for rule in rules:
        found = _RULE.fullmatch(rule.strip())
        if found is None:
            yield rejected(place, f"{quoted(rule.strip())} is not PORT:PORT/PROTOCOL, such as 8080:80/tcp")
            continue
        port, internal, protocol = found.groups()
        fields = {"port": port, "internal_port": internal or port, "protocol": protocol or "both"}
        yield Row({"comment": comment_of(name, labels), **fields}, place, "{}", origin=name)


def _published_rows(name: str, labels: Mapping[str, str], ports: list[Port], place: str) -> Iterator[Row]:
    if len(ports) > MAX_MAPPINGS:
        yield rejected(place, f"{len(ports)} ports are published, and one container may have {MAX_MAPPINGS}")
        return
    written = {field: labels[PREFIX + field] for field in OTHERS if PREFIX + field in labels}
    written.pop("internal_port", None)  # the engine forwards the published port only
    for number, protocol in ports:
        fields = {"comment": comment_of(name, labels), **written, "port": str(number), "protocol": protocol}
        yield Row(fields, place, f"container {name}, label {PREFIX}{{}}", origin=name)
