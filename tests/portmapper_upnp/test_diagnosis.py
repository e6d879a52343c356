"""Why UPnP is not found: which search a gateway answers, and whether it has a description."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper.api.backend import Target
from portmapper.api.findings import Finding, Severity
from portmapper_upnp import diagnosis
from portmapper_upnp.backend import IgdBackend

LOOPBACK = ipaddress.ip_address("127.0.0.1")
IGD = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"


@pytest.fixture(autouse=True)
def one_description(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    """Look for a description only on an unused port, not at other programs of this machine."""
    monkeypatch.setattr(diagnosis, "DESCRIPTIONS", ((unused_port, "/rootDesc.xml"),))


async def diagnosed(ssdp_port: int, **changes: Any) -> list[Finding]:
    """Return a function that returns the backend's findings for a gateway on loopback."""
    backend = IgdBackend(ssdp_port)
    try:
        target = {"local_address": LOOPBACK, "interface": "lo", "gateway": LOOPBACK, **changes}
        return list(await backend.diagnose(Target(**target)))
    finally:
        await backend.close()


async def test_a_gateway_that_answers_only_unicast_is_reported(responder: Any, router: Any) -> None:
    """It receives unicast searches, but no multicast."""
    responder.answer = lambda target, _: f"ST: {target}\r\nUSN: uuid:1::{IGD}\r\nLOCATION: {router.location}"
    (finding,) = await diagnosed(responder.port)
    assert (finding.code, finding.severity) == ("ssdp-multicast-blocked", Severity.WARNING)


async def test_a_silent_gateway_without_description_has_upnp_off(responder: Any) -> None:
    """No usual port has a description."""
    (finding,) = await diagnosed(responder.port)
    assert (finding.code, finding.severity) == ("upnp-off", Severity.WARNING)


async def test_a_description_without_searches_is_reported(
    responder: Any, router: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The advice contains its URL."""
    places = (*diagnosis.DESCRIPTIONS, (router.port, "/desc.xml"))
    monkeypatch.setattr(diagnosis, "DESCRIPTIONS", places)
    (finding,) = await diagnosed(responder.port)
    assert (finding.code, finding.severity) == ("ssdp-blocked", Severity.ERROR)
    assert f"--gateway {router.location}" in finding.advice


async def test_another_device_is_no_gateway(responder: Any, router: Any) -> None:
    """A television answers to upnp:rootdevice too."""
    responder.answer = lambda _target, _count: (
        f"ST: upnp:rootdevice\r\nUSN: uuid:2\r\nLOCATION: {router.location}"
    )
    (finding,) = await diagnosed(responder.port)
    assert finding.code == "upnp-off"


@pytest.mark.parametrize(
    "changes",
    [{"gateway": None}, {"url": "http://127.0.0.1:1/"}, {"port": 5351}],
    ids=["none", "url", "port"],
)
async def test_a_target_with_port_or_url_is_not_searched(responder: Any, changes: dict[str, Any]) -> None:
    """There is no search whose silence would mean anything."""
    assert await diagnosed(responder.port, **changes) == []
    assert responder.searches == []
