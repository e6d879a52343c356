"""Settings from environment variables."""

from __future__ import annotations

import pytest
from portmapper_mqtt.settings import MqttTable, read_settings

from portmapper.api.errors import UsageError

PREFIX = "PORTMAPPER_MQTT_"


def test_the_url_sets_the_broker_and_the_password_is_hidden() -> None:
    """The default ports are those of MQTT."""
    settings = read_settings({f"{PREFIX}URL": "mqtts://broker.lan", f"{PREFIX}PASSWORD": "geheim"})
    assert settings is not None
    assert (settings.host, settings.port, settings.tls) == ("broker.lan", 8883, True)
    assert "geheim" not in repr(settings)


@pytest.mark.parametrize(
    "url", ["http://broker", "mqtt://", "mqtt://u:p@broker", "mqtt://[", "mqtt://b:99999"]
)
def test_an_invalid_url_is_rejected(url: str) -> None:
    """The error contains the name of the variable."""
    with pytest.raises(UsageError, match=f"{PREFIX}URL"):
        read_settings({f"{PREFIX}URL": url})


def test_the_settings_file_sets_the_broker_and_variables_override_it() -> None:
    """A message names the key that is invalid."""
    table = MqttTable(url="mqtt://broker.lan:1884", user="u", password="geheim")
    settings = read_settings({f"{PREFIX}USER": "other"}, table)
    assert settings is not None
    assert (settings.host, settings.port, settings.user, settings.password) == (
        "broker.lan",
        1884,
        "other",
        "geheim",
    )
    assert "geheim" not in repr(table)
    with pytest.raises(UsageError, match=r"\[plugin\.mqtt\] url must be mqtt://HOST"):
        read_settings({}, MqttTable(url="http://broker"))
