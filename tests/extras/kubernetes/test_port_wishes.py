"""The annotation `ports`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portmapper_kubernetes.objects import ServicePort
from portmapper_kubernetes.port_wishes import read_wishes
from portmapper_kubernetes.rejections import InvalidSpec

PORTS = (
    ServicePort("https", "TCP", 443, 30443),
    ServicePort("", "TCP", 8080, 30080),
    ServicePort("dns", "UDP", 53, 30053),
    ServicePort("dns-tcp", "TCP", 53, 30053),
    ServicePort("game", "TCP", 7777, 30077),
    ServicePort("sctp", "SCTP", 9999, 30099),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https", [("https", 443)]),
        ("https:8443", [("https", 8443)]),
        ("8080", [("", 8080)]),
        ("game:any", [("game", "any")]),
        ("dns:5353/udp", [("dns", 5353)]),
        ("53", [("dns", 53), ("dns-tcp", 53)]),
        ("53:5353", [("dns", 5353), ("dns-tcp", 5353)]),
        ("53/tcp", [("dns-tcp", 53)]),
        (" https:443 ,8080", [("https", 443), ("", 8080)]),
        ("HTTPS/TCP", [("https", 443)]),
        ("all", [("https", 443), ("", 8080), ("dns", 53), ("dns-tcp", 53), ("game", 7777)]),
    ],
)
def test_ports_by_name_number_and_protocol(text: str, expected: list[tuple[str, object]]) -> None:
    """The external port is the Service's port, unless the annotation names another."""
    assert [(wish.port.name, wish.external) for wish in read_wishes(text, PORTS)] == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not NAME"),
        ("https,", "is not NAME"),
        ("http", "has no port 'http'"),
        ("https:0", "not a port"),
        ("https:70000", "not a port"),
        ("https/udp", "is not UDP"),
        ("sctp", "TCP and UDP only"),
        ("all:443", "several ports"),
        ("ht\ntps", "is not NAME"),
        ("https:٤٤٣", "is not NAME"),
        ("https," * 2000, "longer than"),
        (",".join(["https"] * 65), "may open 64"),
        ("https:443:1", "is not NAME"),
    ],
)
def test_an_invalid_annotation_names_the_reason(text: str, reason: str) -> None:
    """The message fits on one line."""
    with pytest.raises(InvalidSpec, match=reason) as caught:
        read_wishes(text, PORTS)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No other error is possible."""
    try:
        wishes = read_wishes(text, PORTS)
    except InvalidSpec:
        return
    assert all(wish.external == "any" or 1 <= int(wish.external) <= 65535 for wish in wishes)
