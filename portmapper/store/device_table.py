"""What gateways told of the software they run, in the store's table of devices."""

from __future__ import annotations

import ipaddress
import sqlite3

from portmapper.api.model import IPAddress
from portmapper.api.quirks import Device

DEVICES_REMEMBERED = 64
"""Devices that are remembered; the oldest are forgotten."""


class DeviceTable:
    """The devices known from this run and from earlier ones.

    Attributes:
        changed: the file lacks something; it is written together with the next lease.
    """

    def __init__(self) -> None:
        self.changed = False
        self._devices: dict[IPAddress, Device] = {}

    def get(self, address: IPAddress) -> Device:
        """Return what is known of the device at an address; an empty description if nothing is."""
        return self._devices.get(address) or Device(address)

    def put(self, device: Device) -> None:
        """Remember what a gateway told of its device."""
        before = self.get(device.address)
        self._devices[device.address] = device
        if len(self._devices) > DEVICES_REMEMBERED:
            del self._devices[next(iter(self._devices))]
        told = (device.server, device.model) != (before.server, before.model)
        self.changed = self.changed or told

    def read(self, database: sqlite3.Connection) -> None:
        """Read the table. A row that cannot be read is skipped."""
        for text, server, model in database.execute("SELECT address, server, model FROM devices"):
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                continue
            self._devices[address] = Device(address, str(server), str(model))

    def write(self, database: sqlite3.Connection) -> None:
        """Replace the table within the caller's transaction, if it changed."""
        if self.changed:
            rows = [
                (str(d.address), d.server, d.model) for d in self._devices.values() if d.server or d.model
            ]
            database.execute("DELETE FROM devices")
            database.executemany("INSERT INTO devices VALUES (?, ?, ?)", rows)
