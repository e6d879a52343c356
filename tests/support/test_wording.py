"""Words that every screen and the log use in the same way."""

from __future__ import annotations

from portmapper.support.wording import reasons_text


def test_a_reason_of_several_backends_is_said_once() -> None:
    """PCP and NAT-PMP share a port, so they often fail alike."""
    silent = "192.168.88.1 port 5351: nothing listens there"
    assert reasons_text({"pcp": silent, "natpmp": silent}) == f"PCP and NAT-PMP: {silent}"
    assert reasons_text({"pcp": silent, "upnp": "no route"}) == f"PCP: {silent}; UPnP: no route"
    assert reasons_text({}) == ""
