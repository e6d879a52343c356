"""Settings of a plugin that its own older environment variable overrides."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Overrides:
    """Text settings from the table `[plugin.NAME]`, and from the plugin's own environment variables.

    Attributes:
        environment: the environment variables.
        prefix: how the plugin's own variables begin, such as `PORTMAPPER_MQTT_`.
        plugin: the plugin's name.
        table: its settings, an attrs object with one text for each key; empty means unset.
    """

    environment: Mapping[str, str]
    prefix: str
    plugin: str
    table: object

    def get(self, key: str) -> str:
        """Return the value of a key; the variable wins. Empty if neither is set."""
        return self.environment.get(self._variable(key)) or str(getattr(self.table, key))

    def name(self, key: str) -> str:
        """Return what a message calls the setting: the variable or the key, whichever is in effect."""
        if self.environment.get(self._variable(key)) or not getattr(self.table, key):
            return self._variable(key)
        return f"[plugin.{self.plugin}] {key}"

    def _variable(self, key: str) -> str:
        return f"{self.prefix}{key.upper()}"
