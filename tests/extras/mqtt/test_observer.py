"""The observer without a broker."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from portmapper_mqtt.observer import MqttObserver

from portmapper.api.events import Event, EventKind

PREFIX = "PORTMAPPER_MQTT_"


async def test_nothing_is_sent_without_a_broker() -> None:
    """An installed extra without settings does nothing."""
    observer = MqttObserver()
    await observer.observe(Event(datetime.now(UTC), EventKind.GATEWAY_FOUND))
    await observer.close()


async def test_an_invalid_setting_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Later events do not repeat the warning."""
    monkeypatch.setenv(f"{PREFIX}URL", "http://broker")
    observer = MqttObserver()
    for _ in range(3):
        await observer.observe(Event(datetime.now(UTC), EventKind.GATEWAY_FOUND))
    await observer.close()
    assert len(caplog.messages) == 1
