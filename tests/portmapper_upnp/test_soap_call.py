"""Calls to the actions of a service."""

from __future__ import annotations


async def test_h7_calls_are_sent_as_strict_routers_want_them(router, connected, request_for):
    """The header's exact name, its value quoted, arguments in order, nothing before the XML."""
    await (await connected()).map(request_for())
    head = next(head for head in router.heads if "#AddPortMapping" in head)
    assert '\r\nSOAPAction: "urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping"\r\n' in head
    assert f"\r\nHost: 127.0.0.1:{router.port}\r\n" in head
    assert list(router.named("AddPortMapping")[0]) == [
        "NewRemoteHost",
        "NewExternalPort",
        "NewProtocol",
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ]
    assert router.named("AddPortMapping")[0]["NewProtocol"] == "TCP"
