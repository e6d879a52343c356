"""Labels become rows, and invalid labels are rejected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from portmapper_docker.labels import rows_of

from portmapper.api.errors import RowError
from portmapper.sources.row_cache import rejected_row
from portmapper.sources.row_parser import mappings_of


def opened(labels: dict[str, str]) -> list[tuple[str, int, int, str, int]]:
    """Return the mappings from labels of the container `web`."""
    found = [m for row in rows_of("web", labels) for m in mappings_of(row, "docker:")]
    return [(m.protocol.lower(), m.port, m.internal_port, m.comment, m.duration) for m in found]


def rejected(labels: dict[str, str]) -> list[tuple[str, str]]:
    """Return place and reason of each rejected row."""
    bad = []
    for row in rows_of("web", labels):
        try:
            mappings_of(row, "docker:")
        except RowError as error:
            found = rejected_row(row, error)
            bad.append((found.where, found.reason))
    return bad


def test_one_label_opens_several_ports() -> None:
    """The value is a list with commas, ranges and protocols."""
    labels = {"portmapper.port": "8080/tcp, 53/both,6000-6001/UDP", "other": "x"}
    assert [(protocol, port) for protocol, port, *_ in opened(labels)] == [
        ("tcp", 8080),
        ("tcp", 53),
        ("udp", 53),
        ("udp", 6000),
        ("udp", 6001),
    ]


def test_the_default_protocol_is_tcp_and_the_default_comment_is_the_name() -> None:
    """Most containers need only one label."""
    assert opened({"portmapper.port": "80"}) == [("tcp", 80, 80, "web", 3600)]


def test_each_name_has_separate_fields() -> None:
    """`portmapper.port.NAME` is a row in addition to `portmapper.port`."""
    labels = {
        "portmapper.port": "80/tcp",
        "portmapper.internal_port": "8080",
        "portmapper.port.vpn": "51820/udp",
        "portmapper.comment.vpn": "wire guard",
        "portmapper.duration.vpn": "600",
    }
    assert opened(labels) == [("tcp", 80, 8080, "web", 3600), ("udp", 51820, 51820, "wire guard", 600)]


@pytest.mark.parametrize(
    ("label", "text", "where", "reason"),
    [
        ("portmapper.port", "http", "portmapper.port", "'http'"),
        ("portmapper.port", "80/sctp", "portmapper.port", "'80/sctp'"),
        ("portmapper.port", "70000/tcp", "portmapper.port", "70000"),
        ("portmapper.port", "", "portmapper.port", "missing"),
        ("portmapper.port.a.b", "80", "portmapper.port.a.b", "after the dot"),
        ("portmapper.port.{}\x1b[2J", "80", r"'portmapper.port.{}\x1b[2J'", "after the dot"),
        ("portmapper.prot", "80", "portmapper.prot", "unknown label; the labels are: port"),
        ("portmapper.address", "10.0.0.1", "portmapper.address", "unknown label"),
        ("portmapper.comment.x", "hm", "portmapper.comment.x", "needs portmapper.port.x"),
    ],
)
def test_an_invalid_label_is_reported_with_its_container(
    label: str, text: str, where: str, reason: str
) -> None:
    """The other labels are used."""
    labels = {label: text, "portmapper.port.good": "443/tcp"}
    ((found, why),) = rejected(labels)
    assert found == f"container web, label {where}"
    assert reason in why
    assert [port for _, port, *_ in opened({"portmapper.port.good": "443/tcp"})] == [443]


def test_an_invalid_field_is_reported_with_its_label() -> None:
    """The place is the label as the user wrote it."""
    labels = {"portmapper.port.vpn": "80/udp", "portmapper.duration.vpn": "soon"}
    assert [where for where, _ in rejected(labels)] == ["container web, label portmapper.duration.vpn"]


@given(st.dictionaries(st.text().map("portmapper.".__add__) | st.text(), st.text(), max_size=6))
def test_any_labels_can_be_read(labels: dict[str, str]) -> None:
    """Each label leads to mappings or a rejected row, never to an exception."""
    rejected(labels)


def test_one_container_has_a_limited_number_of_mappings() -> None:
    """Over all its labels; a lifetime has the name that lists use."""
    assert len(opened({"portmapper.port": "1-128/both", "portmapper.lifetime": "15m"})) == 256
    reason = "asks for 257 mappings, and one container may have 256: use fewer ports"
    labels = {"portmapper.port": "1-128/both", "portmapper.port.web": "80"}
    assert rejected(labels) == [("container web", reason)]
    assert opened({"portmapper.port": "80", "portmapper.lifetime": "15m"}) == [("tcp", 80, 80, "web", 900)]
