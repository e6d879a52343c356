"""Published ports and portical's label become rows."""

from __future__ import annotations

from typing import Any

import pytest
from portmapper_docker.grace import Found
from portmapper_docker.published import PORTICAL, container_rows, published_ports
from portmapper_docker.settings import DockerTable

from portmapper.api import SettingError, structure
from portmapper.api.errors import RowError
from portmapper.sources.row_parser import mappings_of

WEB = [(8080, "tcp")]


def port(number: object = 8080, protocol: str = "tcp", address: str = "0.0.0.0") -> dict[str, Any]:
    """Return a port as the engine lists it."""
    return {"IP": address, "PrivatePort": 80, "PublicPort": number, "Type": protocol}


def opened(
    labels: dict[str, str], ports: list[Any], expose: str = "labels"
) -> list[tuple[str, int, int, str]]:
    """Return the mappings of the container `web`."""
    rows = container_rows(Found("1", "web", labels, ports), expose)
    found = [mapping for row in rows for mapping in mappings_of(row, "docker:")]
    return [(m.protocol.lower(), m.port, m.internal_port, m.comment) for m in found]


def test_published_ports_are_those_of_this_host() -> None:
    """Not those on loopback, SCTP, or ports that are only exposed; IPv4 and IPv6 are one port."""
    ports = [port(), port(address="::"), port(53, "udp"), port(81, address="127.0.0.1"), port(9, "sctp")]
    ports += [port(82, address="::1"), {"PrivatePort": 443, "Type": "tcp"}, port(True), port(0), port(70000)]
    assert published_ports({"Ports": ports}) == [(53, "udp"), (8080, "tcp")]
    assert published_ports({}) == published_ports({"Ports": None}) == []


def test_published_ports_are_opened_without_labels_if_the_settings_say_so() -> None:
    """By default, only labels open ports."""
    assert opened({}, WEB) == []
    assert opened({}, [*WEB, (53, "udp")], "published") == [
        ("tcp", 8080, 8080, "web"),
        ("udp", 53, 53, "web"),
    ]


def test_labels_replace_the_published_ports_or_set_their_other_fields() -> None:
    """A container can keep its published ports closed."""
    assert opened({"portmapper.port": "8443/tcp"}, WEB, "published") == [("tcp", 8443, 8443, "web")]
    assert opened({"portmapper.comment": "shop"}, WEB, "published") == [("tcp", 8080, 8080, "shop")]
    assert opened({"portmapper.enabled": "false"}, WEB, "published") == []


def test_the_default_comment_has_the_project_of_compose() -> None:
    """The names of containers differ between versions of Compose."""
    labels = {"com.docker.compose.project": "media", "com.docker.compose.service": "web"}
    assert opened(labels, WEB, "published") == [("tcp", 8080, 8080, "media/web")]
    assert opened({**labels, "portmapper.port": "80"}, []) == [("tcp", 80, 80, "media/web")]
    assert opened({**labels, PORTICAL: "80"}, [])[0] == ("tcp", 80, 80, "media/web")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9999:8888/tcp", [("tcp", 9999, 8888, "web")]),
        ("25565:25565", [("tcp", 25565, 25565, "web"), ("udp", 25565, 25565, "web")]),
        ("9999/udp, 80:81/TCP", [("udp", 9999, 9999, "web"), ("tcp", 80, 81, "web")]),
        ("published", [("tcp", 8080, 8080, "web")]),
    ],
)
def test_the_label_of_portical_is_read(text: str, expected: list[Any]) -> None:
    """Without a protocol, it means both."""
    assert opened({PORTICAL: text}, WEB) == expected


def test_the_labels_of_portmapper_win() -> None:
    """A container may have both while its owner changes over."""
    labels = {PORTICAL: "9999:8888/tcp", "portmapper.port": "8443/tcp"}
    assert opened(labels, WEB) == [("tcp", 8443, 8443, "web")]


@pytest.mark.parametrize("text", ["", "80:", "80:81:82", "80/sctp", "x", ",".join(["80"] * 200), "²"])
def test_an_invalid_label_of_portical_is_rejected(text: str) -> None:
    """The other rules of the label are read."""
    rows = list(container_rows(Found("1", "web", {PORTICAL: text}, WEB), "labels"))
    assert [row.where for row in rows] == [f"container web, label {PORTICAL}"]
    assert rows[0].error


def test_an_invalid_port_of_portical_is_rejected_with_its_label() -> None:
    """As any port."""
    (row,) = container_rows(Found("1", "web", {PORTICAL: "70000"}, []), "labels")
    with pytest.raises(RowError):
        mappings_of(row, "docker:")


def test_a_container_with_too_many_published_ports_gets_none() -> None:
    """It must not take the ports of the others."""
    ports = [(number, "tcp") for number in range(1, 400)]
    (row,) = container_rows(Found("1", "web", {}, ports), "published")
    assert row.error == "399 ports are published, and one container may have 256"


def test_another_value_of_expose_is_an_error() -> None:
    """The message suggests the nearest one."""
    assert structure(DockerTable, {"expose": "published"}).expose == "published"
    for value in ("publish", 5, None):
        with pytest.raises(SettingError, match="expose"):
            structure(DockerTable, {"expose": value})
