"""Topics and payloads."""

from __future__ import annotations

from datetime import UTC, datetime

from portmapper_mqtt.messages import Topics

from portmapper.api.events import Event, EventKind
from portmapper.api.model import Protocol


def test_a_host_name_cannot_change_the_topic_structure() -> None:
    """It adds neither wildcards nor levels."""
    topics = Topics("a/+#\x00ü", "homeassistant")
    event = Event(datetime.now(UTC), EventKind.OPENED, protocol=Protocol.TCP, internal_port=80)
    assert all(set("+#\0").isdisjoint(topic) for topic in topics.messages(event))
    assert topics.status == "portmapper/a_____/status"


def test_a_closed_mapping_deletes_its_topics() -> None:
    """An empty retained payload deletes a topic on the broker."""
    topics = Topics("host", "homeassistant")
    fields = {"protocol": Protocol.TCP, "internal_port": 80}
    opened = topics.messages(Event(datetime.now(UTC), EventKind.OPENED, **fields))
    closed = topics.messages(Event(datetime.now(UTC), EventKind.CLOSED, **fields))
    assert closed == dict.fromkeys(opened, "")


def test_an_event_without_a_mapping_has_no_messages() -> None:
    """Events of gateways are such events."""
    event = Event(datetime.now(UTC), EventKind.GATEWAY_FOUND)
    assert Topics("host", "homeassistant").messages(event) == {}
