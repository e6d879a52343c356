"""Events of mappings and gateways, and the interface of observers that receive them."""

from __future__ import annotations

import abc
import enum
from datetime import datetime
from typing import ClassVar, Self

from portmapper.api.model import Family, IPAddress, Protocol
from portmapper.support.values import frozen


class EventKind(enum.StrEnum):
    """Kind of an event, as the journal and hooks name it."""

    OPENED = "opened"
    RENEWED = "renewed"
    CLOSED = "closed"
    PAUSED = "paused"
    RESUMED = "resumed"
    FAILED = "failed"
    CONFLICT = "conflict"
    LOST = "lost"
    EXTERNAL_PORT_CHANGED = "external_port_changed"
    EXTERNAL_ADDRESS_CHANGED = "external_address_changed"
    GATEWAY_FOUND = "gateway_found"
    GATEWAY_LOST = "gateway_lost"
    GATEWAY_RESTARTED = "gateway_restarted"


@frozen
class Event:
    """One event. Fields that do not apply are empty or None.

    Attributes:
        at: wall-clock time with time zone.
        kind: what happened.
        detail: the reason, one line for the user.
        protocol, family, internal_address, internal_port, wanted_external_port, external_address,
            external_port: of the mapping, None for an event that concerns only a gateway.
        backend: name of the backend.
        gateway: the gateway's address.
        comment: the mapping's comment.
        source: location of the source that lists the mapping.
        origin: the object that the source made it for, such as `namespace/name`; empty for none.
    """

    at: datetime
    kind: EventKind
    detail: str = ""
    protocol: Protocol | None = None
    family: Family | None = None
    internal_address: IPAddress | None = None
    internal_port: int | None = None
    wanted_external_port: int | None = None
    external_address: IPAddress | None = None
    external_port: int | None = None
    backend: str = ""
    gateway: str = ""
    comment: str = ""
    source: str = ""
    origin: str = ""


class Observer(abc.ABC):
    """A plugin that receives every event. A slow observer delays nothing else.

    Attributes:
        name: short, lower case.
        table: name of the observer's table in the settings file, empty for none.
        end_limit: seconds that it has to finish earlier events when the daemon stops.
    """

    name: ClassVar[str]
    table: ClassVar[str] = ""
    end_limit: ClassVar[float] = 2.0

    @classmethod
    def from_table(cls, value: object) -> Self | None:
        """Create an observer from its table in the settings file, or return None if it is not needed.

        `value` is that of the key `table`: a dict for `[table]`, a list of dicts for `[[table]]`, None
        if the file has no such table. `portmapper.api.structure` checks and converts it.

        Raises:
            SettingError: a key is invalid; its path begins with `table`.
        """
        return cls()

    async def start(self) -> None:  # noqa: B027 - most have nothing to start
        """Start. Called on the event loop before the first event."""

    @abc.abstractmethod
    async def observe(self, event: Event) -> None:
        """Handle one event. Events arrive one at a time and in order."""

    async def close(self) -> None:  # noqa: B027 - most hold nothing open
        """Finish pending work and free resources."""
