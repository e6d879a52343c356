"""Settings for the broker, read from environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs

from portmapper.api import UsageError

PREFIX = "PORTMAPPER_MQTT_"
_PORTS = {"mqtt": 1883, "mqtts": 8883}
# The wildcards + and # are valid only in subscriptions.
_TOPIC = re.compile(r"[^+#\0\s]{1,64}")


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


def read_settings(environment: Mapping[str, str]) -> Settings | None:
    """Read the settings, or return None if no broker is set.

    Raises:
        UsageError: a value is invalid.
    """
    url = environment.get(f"{PREFIX}URL", "")
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{PREFIX}URL is not a URL") from None
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        raise UsageError(f"{PREFIX}URL must be mqtt://HOST or mqtts://HOST, without a user")
    discovery = environment.get(f"{PREFIX}DISCOVERY") or "homeassistant"
    if not _TOPIC.fullmatch(discovery):
        raise UsageError(f"{PREFIX}DISCOVERY is not a topic")
    return Settings(
        host=host,
        port=port or _PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        user=environment.get(f"{PREFIX}USER") or None,
        password=environment.get(f"{PREFIX}PASSWORD") or None,
        discovery=discovery,
    )
