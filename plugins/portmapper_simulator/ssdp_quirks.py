"""Quirks of the answers to an SSDP search."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import attrs

from portmapper_simulator.igd_server import OTHER_DEVICE
from portmapper_simulator.upnp_points import SEARCH, Answer, Search

DEAF_SECONDS = 0.2
"""Seconds after the first search in which a slow gateway does not answer."""


def _each(search: Search, change: Callable[[Answer], Answer]) -> Search:
    return attrs.evolve(search, answers=tuple(map(change, search.answers)))


def _with(answer: Answer, **headers: str) -> Answer:
    return attrs.evolve(answer, headers={**answer.headers, **headers})


@SEARCH.quirk("D1-multicast-only", "answers only searches sent to the multicast group")
def _multicast_only(search: Search) -> Search:
    return search if search.multicast else attrs.evolve(search, answers=())


@SEARCH.quirk("D1-unicast-only", "answers only searches sent to its own address")
def _unicast_only(search: Search) -> Search:
    return attrs.evolve(search, answers=()) if search.multicast else search


SEARCH.bundle(
    "D1", "answers only searches sent to the multicast group, as D1-multicast-only", "D1-multicast-only"
)


@SEARCH.quirk("D2", "answers every search with a media server first")
def _unrelated_first(search: Search) -> Search:
    first = search.answers[:1]
    return attrs.evolve(search, answers=tuple(map(_as_media_server, first)) + search.answers)


def _as_media_server(answer: Answer) -> Answer:
    location = urlsplit(answer.headers["LOCATION"])._replace(path=OTHER_DEVICE).geturl()
    server = "urn:schemas-upnp-org:device:MediaServer:1"
    return _with(answer, LOCATION=location, ST=server, USN=f"uuid:another::{server}")


@SEARCH.quirk("D3", "answers searches from a port other than 1900")
def _other_port(search: Search) -> Search:
    return _each(search, lambda answer: attrs.evolve(answer, other_port=True))


@SEARCH.quirk("D4", "answers with ST upnp:rootdevice, unusual case in header names, no space after the colon")
def _odd_headers(search: Search) -> Search:
    return _each(search, _oddly_written)


def _oddly_written(answer: Answer) -> Answer:
    headers = {name.swapcase(): value for name, value in answer.headers.items()} | {"st": "upnp:rootdevice"}
    return attrs.evolve(answer, headers=headers, separator=":")


@SEARCH.quirk("D5", "sends every answer five times")
def _repeated(search: Search) -> Search:
    return attrs.evolve(search, answers=search.answers * 5)


@SEARCH.quirk("D10", "does not answer the first search")
def _slow_to_wake(search: Search) -> Search:
    return attrs.evolve(search, answers=()) if search.age < DEAF_SECONDS else search


def _late(seconds: float) -> Callable[[Search], Search]:
    """Return a quirk that delays every answer."""
    return lambda search: _each(search, lambda answer: attrs.evolve(answer, delay=seconds))


SEARCH.quirk("D13", "answers searches after 2.9 s")(_late(2.9))  # more than a search usually takes
SEARCH.quirk("D13-5s", "answers searches after 5.5 s")(_late(5.5))


def _only_for(name: str) -> Callable[[Search], Search]:
    """Return a quirk that answers only searches whose target contains this name."""
    return lambda search: search if name in search.target else attrs.evolve(search, answers=())


SEARCH.quirk("D14", "answers only searches for ssdp:all")(_only_for("ssdp:all"))
SEARCH.quirk("D14-connection", "answers only searches for WANConnectionDevice")(
    _only_for(":WANConnectionDevice:")
)
SEARCH.quirk("D14-lan", "answers only searches for LANDevice")(_only_for(":LANDevice:"))
SEARCH.quirk("D14-service", "answers only searches for WANCommonInterfaceConfig")(
    _only_for(":WANCommonInterfaceConfig:")
)


def _misleading(host: str, port: int | None = None) -> Callable[[Search], Search]:
    """Return a quirk with another host, and port, in the LOCATION; None keeps the port."""

    def mislead(answer: Answer) -> Answer:
        location = urlsplit(answer.headers["LOCATION"])
        netloc = f"{host or location.hostname}:{location.port if port is None else port}"
        return _with(answer, LOCATION=location._replace(netloc=netloc).geturl())

    return lambda search: _each(search, mislead)


SEARCH.quirk("D12", "sends a LOCATION on the IPv6 loopback address")(_misleading("[::1]"))
SEARCH.quirk("D7", "sends a LOCATION on a link-local IPv6 address")(_misleading("[fe80::1]"))
SEARCH.quirk("D6-loopback", "sends a LOCATION on loopback")(_misleading("127.0.0.1"))
SEARCH.quirk("D6-unspecified", "sends a LOCATION on 0.0.0.0")(_misleading("0.0.0.0"))
SEARCH.quirk("D6-multicast", "sends a LOCATION on a multicast address")(_misleading("239.255.255.250"))
SEARCH.quirk("D6-port-zero", "sends a LOCATION with port 0")(_misleading("", 0))
SEARCH.quirk("D6-other-host", "sends a LOCATION on a host that did not answer")(_misleading("127.0.0.9"))
SEARCH.quirk("D6-metadata", "sends a LOCATION on a cloud's metadata address")(
    _misleading("169.254.169.254", 80)
)
SEARCH.bundle("D6", "sends a LOCATION on a host that did not answer, as D6-other-host", "D6-other-host")


def _with_location(search: Search, change: Callable[[str], str]) -> Search:
    return _each(search, lambda answer: _with(answer, LOCATION=change(answer.headers["LOCATION"])))


@SEARCH.quirk("D16", "sends a LOCATION without http://")
def _without_scheme(search: Search) -> Search:
    return _with_location(search, lambda url: url.removeprefix("http://"))


@SEARCH.quirk("D16-quoted", "sends a LOCATION in angle brackets")
def _in_brackets(search: Search) -> Search:
    return _with_location(search, lambda url: f"<{url}>")


@SEARCH.quirk("D16-user", "sends a LOCATION with a user name and a password")
def _with_user(search: Search) -> Search:
    return _with_location(search, lambda url: url.replace("//", "//admin:admin@"))


@SEARCH.quirk("D17", "answers no search, and announces itself")
def _only_announced(search: Search) -> Search:
    return attrs.evolve(search, answers=(), announced=True)


@SEARCH.quirk("D18", "answers searches without the version of HTTP, after a blank line")
def _without_version(search: Search) -> Search:
    return _each(search, lambda answer: attrs.evolve(answer, first="\r\nHTTP 200"))
