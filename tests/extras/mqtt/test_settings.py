"""Which broker is asked, and what is no broker."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from portmapper_mqtt.messages import Topics
from portmapper_mqtt.observer import MqttObserver
from portmapper_mqtt.settings import read_settings

from portmapper.api.errors import UsageError
from portmapper.api.events import Event, EventKind
from portmapper.api.model import Protocol

PREFIX = "PORTMAPPER_MQTT_"


def test_a_url_names_the_broker_and_the_password_is_not_shown() -> None:
    """The ports are those of MQTT."""
    settings = read_settings({f"{PREFIX}URL": "mqtts://broker.lan", f"{PREFIX}PASSWORD": "geheim"})
    assert settings is not None
    assert (settings.host, settings.port, settings.tls) == ("broker.lan", 8883, True)
    assert "geheim" not in repr(settings)


@pytest.mark.parametrize(
    "url", ["http://broker", "mqtt://", "mqtt://u:p@broker", "mqtt://[", "mqtt://b:99999"]
)
def test_what_is_no_broker_is_refused(url: str) -> None:
    """With the name of the variable."""
    with pytest.raises(UsageError, match=f"{PREFIX}URL"):
        read_settings({f"{PREFIX}URL": url})


async def test_nothing_is_sent_where_no_broker_is_named() -> None:
    """An installed extra without settings is silent."""
    observer = MqttObserver()
    await observer.observe(Event(datetime.now(UTC), EventKind.GATEWAY_FOUND))
    await observer.close()


async def test_a_wrong_setting_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """However many events come."""
    monkeypatch.setenv(f"{PREFIX}URL", "http://broker")
    observer = MqttObserver()
    for _ in range(3):
        await observer.observe(Event(datetime.now(UTC), EventKind.GATEWAY_FOUND))
    await observer.close()
    assert len(caplog.messages) == 1


def test_a_host_name_makes_no_topic_of_its_own() -> None:
    """No wildcard and no level comes from it."""
    topics = Topics("a/+#\x00ü", "homeassistant")
    event = Event(datetime.now(UTC), EventKind.OPENED, protocol=Protocol.TCP, internal_port=80)
    assert all(set("+#\0").isdisjoint(topic) for topic in topics.messages(event))
    assert topics.status == "portmapper/a_____/status"
