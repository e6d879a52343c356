"""NOTIFY requests of a gateway."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from portmapper_upnp import event_listener
from portmapper_upnp.event_listener import EventListener

LOOPBACK = ipaddress.ip_address("127.0.0.1")
BODY = (
    '<e:propertyset xmlns:e="urn:schemas-upnp-org:event-1-0"><e:property>'
    "<ExternalIPAddress>203.0.113.7</ExternalIPAddress></e:property></e:propertyset>"
)


class Listening:
    """A listener and what it received.

    Attributes:
        received: id and variables of each event.
    """

    def __init__(self, gateway: str = "127.0.0.1") -> None:
        self.received: list[tuple[str, Mapping[str, str]]] = []
        self.listener = EventListener(LOOPBACK, ipaddress.ip_address(gateway), self._take)
        self.port = 0

    def _take(self, sid: str, values: Mapping[str, str]) -> bool:
        self.received.append((sid, values))
        return sid == "uuid:1"

    async def send(self, data: bytes, source: str = "127.0.0.1") -> bytes:
        """Send bytes, and return the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        writer.write(data)
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


def notify(body: str = BODY, sid: str = "uuid:1", **headers: str) -> bytes:
    """Return a NOTIFY request."""
    fields = {"HOST": "x", "NT": "upnp:event", "NTS": "upnp:propchange", "SID": sid}
    fields |= {"CONTENT-LENGTH": str(len(body.encode()))} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"NOTIFY / HTTP/1.1\r\n{head}\r\n{body}".encode()


@pytest.fixture
async def listening() -> AsyncIterator[Listening]:
    """Listen for the events of a gateway at 127.0.0.1."""
    listening = Listening()
    listening.port = urlsplit(await listening.listener.open()).port or 0
    yield listening
    listening.listener.close()


async def test_an_event_is_taken_with_its_variables(listening: Listening) -> None:
    """And acknowledged."""
    assert (await listening.send(notify())).startswith(b"HTTP/1.1 200 ")
    assert listening.received == [("uuid:1", {"ExternalIPAddress": "203.0.113.7"})]


async def test_an_unknown_subscription_is_refused(listening: Listening) -> None:
    """With the status of UDA 2.0, section 4.3.2, so that the gateway ends it."""
    assert (await listening.send(notify(sid="uuid:2"))).startswith(b"HTTP/1.1 412 ")


async def test_only_the_gateway_may_connect(listening: Listening) -> None:
    """Any host of the LAN could send events otherwise."""
    assert await listening.send(notify(), source="127.0.0.9") == b""
    assert listening.received == []


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"NOTIFY / HTTP/1.1\r\n\r\n",
        notify(**{"CONTENT-LENGTH": "99999999"}),
        notify(**{"CONTENT-LENGTH": "-1"}),
        b"x" * 20_000,
    ],
)
async def test_other_requests_change_nothing(listening: Listening, data: bytes) -> None:
    """They are refused, and the listener goes on."""
    await listening.send(data)
    assert listening.received == []
    assert (await listening.send(notify())).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("body", ["", "<", "<!DOCTYPE x []><x/>", "<a>" * 100, "<property><x/></property>"])
async def test_an_invalid_document_has_no_variables(listening: Listening, body: str) -> None:
    """Or those that are readable."""
    await listening.send(notify(body))
    assert [values for _, values in listening.received if values not in ({}, {"x": ""})] == []


async def test_a_request_that_never_ends_is_dropped(listening: Listening, monkeypatch: Any) -> None:
    """After its time limit."""
    monkeypatch.setattr(event_listener, "REQUEST_TIME", 0.05)
    assert await listening.send(b"NOTIFY / HTTP/1.1\r\n") == b""


async def test_connections_are_limited(listening: Listening) -> None:
    """The gateway itself may be hostile."""
    opened = [await asyncio.open_connection("127.0.0.1", listening.port) for _ in range(4)]
    assert await listening.send(notify()) == b""
    for _, writer in opened:
        writer.close()
