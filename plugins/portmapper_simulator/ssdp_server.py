"""SSDP server: answers searches, and announces the device (UDA 2.0, section 1)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import attrs

from portmapper_simulator import upnp_points
from portmapper_simulator.sockets import (
    Address,
    bound_port,
    close_endpoint,
    open_group,
    open_unicast,
    send_from_other_port,
)
from portmapper_simulator.state import State
from portmapper_simulator.upnp_points import Answer, Search

GROUP = "239.255.255.250"
MAX_AGE = 1800
MAX_HEADERS = 40
SERVER = "Linux/6.1 UPnP/1.1 portmapper-simulator/1"
DEVICES = ("InternetGatewayDevice", "LANDevice", "WANDevice", "WANConnectionDevice")


@attrs.frozen
class Advertisement:
    """Properties of the device in announcements and answers.

    Attributes:
        location: URL of the description.
        uuid: `uuid:...` of the root device.
        services: URNs of the services.
    """

    location: str
    uuid: str
    services: tuple[str, ...]


class SsdpServer:
    """Listens to the multicast group and to the gateway's address, on separate sockets."""

    port = 0

    def __init__(self, state: State) -> None:
        self._state = state
        self._advertisement: Advertisement | None = None
        self._first_search: float | None = None
        self._unicast: asyncio.DatagramTransport | None = None
        self._multicast: asyncio.DatagramTransport | None = None

    async def open(self, advertisement: Advertisement) -> None:
        """Bind both sockets, to the same port as before after a restart. Raises `OSError`."""
        settings = self._state.settings
        self._advertisement = advertisement
        port = self.port or settings.ssdp_port
        self._unicast = await open_unicast(settings.host, port, self._received, beside_group=True)
        self.port = bound_port(self._unicast)
        self._multicast = await open_group(GROUP, self.port, settings.host, self._received_by_group)

    async def close(self) -> None:
        """Close both sockets without byebye."""
        for transport in (self._unicast, self._multicast):
            if transport is not None:
                await close_endpoint(transport)
        self._unicast = self._multicast = None

    def change(self, advertisement: Advertisement) -> None:
        """Change the announced properties."""
        self._advertisement = advertisement

    def announce(self, kind: str) -> None:
        """Send NOTIFY with `ssdp:alive` or `ssdp:byebye` for every device and service."""
        if self._unicast is None or self._advertisement is None or "upnp" in self._state.muted:
            return
        for target in self._targets():
            headers = {"HOST": f"{GROUP}:{self.port}", "NT": target, "NTS": kind}
            headers["USN"] = self._usn(target)
            headers |= self._boot_headers()
            if kind == "ssdp:alive":
                headers |= {"CACHE-CONTROL": f"max-age={MAX_AGE}", "LOCATION": self._advertisement.location}
                headers["SERVER"] = SERVER
            self._unicast.sendto(_written("NOTIFY * HTTP/1.1", headers), (GROUP, self.port))

    def _received_by_group(self, data: bytes, sender: Address) -> None:
        self._answer(data, sender, multicast=True)

    def _received(self, data: bytes, sender: Address) -> None:
        self._answer(data, sender, multicast=False)

    def _answer(self, data: bytes, sender: Address, *, multicast: bool) -> None:
        target = _read_search(data)
        if target is None or self._unicast is None or not self._state.is_answering("upnp"):
            return
        self._state.log_request("ssdp", "M-SEARCH", sender[0], target=target, multicast=multicast)
        answers = tuple(Answer(self._answer_headers(answered)) for answered in self._answered(target))
        search = upnp_points.SEARCH.apply(self._state.quirks, Search(target, multicast, self._age(), answers))
        if search.announced:
            self.announce("ssdp:alive")
        for answer in search.answers:
            if answer.delay:
                asyncio.get_running_loop().call_later(answer.delay, self._send, answer, sender)
            else:
                self._send(answer, sender)

    def _answered(self, requested: str) -> list[str]:
        """Return the targets to answer with: all for `ssdp:all`, else the requested one."""
        matching = [known for known in self._targets() if _matches(requested, known)]
        return matching if requested == "ssdp:all" else [requested][: len(matching)]

    def _send(self, answer: Answer, receiver: Address) -> None:
        data = _written(answer.first, answer.headers, answer.separator)
        if answer.other_port:
            send_from_other_port(self._state.settings.host, data, receiver)
        elif self._unicast is not None:
            self._unicast.sendto(data, receiver)

    def _age(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._first_search is None:
            self._first_search = now
        return now - self._first_search

    def _answer_headers(self, target: str) -> dict[str, str]:
        assert self._advertisement is not None
        return {
            "CACHE-CONTROL": f"max-age={MAX_AGE}",
            "ST": target,
            "USN": self._usn(target),
            "EXT": "",
            "SERVER": SERVER,
            "LOCATION": self._advertisement.location,
        } | self._boot_headers()

    def _boot_headers(self) -> dict[str, str]:
        return {"BOOTID.UPNP.ORG": str(self._state.boot), "CONFIGID.UPNP.ORG": "1"}

    def _usn(self, target: str) -> str:
        assert self._advertisement is not None
        return (
            self._advertisement.uuid
            if target == self._advertisement.uuid
            else f"{self._advertisement.uuid}::{target}"
        )

    def _targets(self) -> list[str]:
        assert self._advertisement is not None
        version = self._state.settings.igd_version
        devices = [f"urn:schemas-upnp-org:device:{device}:{version}" for device in DEVICES]
        return ["upnp:rootdevice", self._advertisement.uuid, *devices, *self._advertisement.services]


def _matches(requested: str, known: str) -> bool:
    """Return whether a search matches a target; a later version also answers for earlier ones."""
    if requested in ("ssdp:all", known):
        return True
    requested_name, _, requested_version = requested.rpartition(":")
    name, _, version = known.rpartition(":")
    numbers = requested_version.isdigit() and version.isdigit()
    return requested_name == name and numbers and int(requested_version) <= int(version)


def _read_search(data: bytes) -> str | None:
    """Return the target of an M-SEARCH, or None for other data."""
    lines = data.decode("utf-8", "replace").split("\r\n")[:MAX_HEADERS]
    if not lines[0].startswith("M-SEARCH * HTTP/1."):
        return None
    pairs = (line.partition(":") for line in lines[1:])
    headers = {name.strip().upper(): value.strip() for name, _, value in pairs}
    return headers.get("ST") if headers.get("MAN") == '"ssdp:discover"' else None


def _written(first: str, headers: Mapping[str, str], separator: str = ": ") -> bytes:
    lines = [first, *(f"{name}{separator}{value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()
