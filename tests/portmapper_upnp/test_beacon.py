"""The question whether a gateway restarted."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper_upnp import beacon
from portmapper_upnp.endpoint import Endpoint

LOOPBACK = ipaddress.ip_address("127.0.0.1")
LOCATION = "http://127.0.0.1:5000/rootDesc.xml"


def answer(boot_id: str = "", location: str = LOCATION) -> str:
    """Return the headers of an answer."""
    newer = f"\r\nBOOTID.UPNP.ORG: {boot_id}" if boot_id else ""
    return f"ST: upnp:rootdevice\r\nLOCATION: {location}{newer}"


@pytest.mark.parametrize(("headers", "boot_id"), [(answer("17"), "17"), (answer(), "")])
async def test_the_answer_has_the_boot_id(responder: Any, headers: str, boot_id: str) -> None:
    """Older devices have none."""
    responder.answer = lambda _target, _count: headers
    endpoint = Endpoint(LOCATION, LOOPBACK, LOOPBACK, ssdp_port=responder.port)
    assert await beacon.boot_id(endpoint) == boot_id
    assert responder.searches == ["upnp:rootdevice"]


@pytest.mark.parametrize("headers", [None, answer("17", "http://127.0.0.1:6000/media.xml")])
async def test_without_an_answer_of_the_device_nothing_is_known(
    responder: Any, monkeypatch: Any, headers: str | None
) -> None:
    """A router may have other devices."""
    monkeypatch.setattr(beacon, "ANSWER_TIME", 0.05)
    responder.answer = lambda _target, _count: headers
    assert await beacon.boot_id(Endpoint(LOCATION, LOOPBACK, LOOPBACK, ssdp_port=responder.port)) == ""


async def test_a_host_without_that_address_asks_nothing() -> None:
    """Its address changed."""
    gone = ipaddress.ip_address("192.0.2.1")
    assert await beacon.boot_id(Endpoint(LOCATION, LOOPBACK, gone)) == ""
