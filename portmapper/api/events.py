"""What happened to a mapping or a gateway: the journal keeps it, observers are told of it."""

from __future__ import annotations

import abc
import enum
from datetime import datetime
from typing import ClassVar, Self

import attrs

from portmapper.api.model import Family, IPAddress, Protocol


class EventKind(enum.StrEnum):
    """The name of what happened."""

    OPENED = "opened"
    RENEWED = "renewed"
    CLOSED = "closed"
    FAILED = "failed"
    CONFLICT = "conflict"
    LOST = "lost"
    EXTERNAL_PORT_CHANGED = "external_port_changed"
    EXTERNAL_ADDRESS_CHANGED = "external_address_changed"
    GATEWAY_FOUND = "gateway_found"
    GATEWAY_LOST = "gateway_lost"
    GATEWAY_RESTARTED = "gateway_restarted"


@attrs.frozen
class Event:
    """One event, with what is known about it.

    Attributes:
        at: wall-clock time, with its zone.
        kind: what happened.
        detail: why, in one line for a person.
        protocol, family, internal_address, internal_port, wanted_external_port, external_address,
            external_port: of the mapping, None for an event about a gateway alone.
        backend: name of the backend.
        gateway: the gateway's address.
        comment: the mapping's comment.
        source: the location that listed the mapping.
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


class Observer(abc.ABC):
    """A plugin that is told of every event. It may be slow: it holds nothing up but itself.

    Attributes:
        name: short, in lower case.
        table: the settings file's table that is this observer's, empty for none.
        end_limit: seconds that it has when the daemon ends, for what it was told before.
    """

    name: ClassVar[str]
    table: ClassVar[str] = ""
    end_limit: ClassVar[float] = 2.0

    @classmethod
    def configured(cls, part: object) -> Self | None:
        """Make one by its part of the settings file; None when there is nothing for it to do.

        `part` is what the file has under `table`, None where it has nothing: a dict for `[table]`, a
        list of dicts for `[[table]]`. `portmapper.api.config.structure` checks it strictly.

        Raises:
            SettingError: a key is wrong; its path begins with `table`.
        """
        return cls()

    async def start(self) -> None:  # noqa: B027 - most have nothing to start
        """Begin; called once, on the event loop, before the first event."""

    @abc.abstractmethod
    async def observe(self, event: Event) -> None:
        """Take note of one event; events come one at a time, in order."""

    async def close(self) -> None:  # noqa: B027 - most hold nothing open
        """Finish what is under way and free what is open."""
