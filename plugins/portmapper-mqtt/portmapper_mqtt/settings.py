"""Settings for the broker: the table `[plugin.mqtt]`, and environment variables that override it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs

from portmapper.api import UsageError
from portmapper.support.overrides import Overrides

PREFIX = "PORTMAPPER_MQTT_"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
# The wildcards + and # are valid only in subscriptions.
_TOPIC = re.compile(r"[^+#\0\s]{1,64}")


@attrs.frozen
class MqttTable:
    """The keys of `[plugin.mqtt]`; an empty text means that a key is not set.

    Attributes:
        url: `mqtt://HOST[:PORT]`, or `mqtts://` for TLS.
        user: user name.
        password: password.
        discovery: prefix of Home Assistant's discovery topics.
    """

    url: str = attrs.field(default="", repr=False)
    user: str = ""
    password: str = attrs.field(default="", repr=False)
    discovery: str = ""


@attrs.frozen
class Settings:
    """Settings of the broker connection.

    Attributes:
        host: the broker's name or address.
        port: the broker's TCP port.
        tls: encrypt the connection, and verify the certificate.
        user: user name, None for no login.
        password: password, None for no login.
        discovery: prefix of Home Assistant's discovery topics.
    """

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None = attrs.field(repr=False)
    discovery: str = "homeassistant"


def read_settings(environment: Mapping[str, str], table: MqttTable | None = None) -> Settings | None:
    """Read the settings, or return None if no broker is set.

    Raises:
        UsageError: a value is invalid.
    """
    values = Overrides(environment, PREFIX, "mqtt", table or MqttTable())
    if not values.get("url"):
        return None
    host, port, tls = _broker(values)
    discovery = values.get("discovery") or "homeassistant"
    if not _TOPIC.fullmatch(discovery):
        raise UsageError(f"{values.name('discovery')} is not a topic")
    return Settings(
        host=host,
        port=port,
        tls=tls,
        user=values.get("user") or None,
        password=values.get("password") or None,
        discovery=discovery,
    )


def _broker(values: Overrides) -> tuple[str, int, bool]:
    name = values.name("url")
    try:
        parts = urlsplit(values.get("url"))
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{name} is not a URL") from None
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        raise UsageError(f"{name} must be mqtt://HOST or mqtts://HOST, without a user")
    return host, port or _PORTS[parts.scheme], parts.scheme == "mqtts"
