"""Compares status documents over time, and words what the user should know. Sends nothing itself."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import attrs

from portmapper.support.duration import format_duration
from portmapper.support.text import printable

_HELD_BACK = ("paused", "waiting")


@attrs.frozen
class Message:
    """One message.

    Attributes:
        kind: one of `settings.KINDS`.
        text: one line.
    """

    kind: str
    text: str


@attrs.define
class _Trouble:
    """A port or list in trouble: since when, and whether a message was sent."""

    since: float
    is_reported: bool = False


class Conditions:
    """What was true of each port, gateway and list. Each change leads to at most one message.

    Args:
        delay: seconds before a closed port or an unreadable list is reported.
    """

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._troubles: dict[Hashable, _Trouble] = {}
        self._addresses: dict[str, tuple[str, str]] = {}

    def compare(self, document: dict[str, Any], now: float) -> list[Message]:
        """Return the messages that a new status document leads to.

        Args:
            document: the status document.
            now: seconds of a clock that never goes back.
        """
        ports = list(self._ports(document.get("mappings", ()), now))
        lists = list(self._lists(document.get("sources", ()), now))
        listed = {key for key, _ in (*ports, *lists)}
        self._troubles = {key: value for key, value in self._troubles.items() if key in listed}
        found = [message for _, message in (*ports, *lists) if message is not None]
        return [*self._gateways(document.get("gateways", ())), *found]

    def _ports(self, rows: Any, now: float) -> Iterator[tuple[Hashable, Message | None]]:
        for row in rows:
            if row["state"] in _HELD_BACK:
                continue
            port = f"{row['wanted_external_port'] or row['internal_port']}/{row['protocol'].lower()}"
            name = f"{port} ({printable(row['comment'])})" if row["comment"] else port
            key = ("port", row["protocol"], row["family"], row["wanted_external_port"], row["internal_port"])
            trouble = self._trouble(key, row["state"] != "active", now)
            message = None
            if trouble == "reported":
                error = printable(row["error"] or f"it is {row['state']}")
                message = Message("closed", f"{name} is closed for more than {self._words}: {error}")
            elif trouble == "over":
                message = Message("open", f"{name} is open again")
            yield key, message

    def _lists(self, sources: Any, now: float) -> Iterator[tuple[Hashable, Message | None]]:
        for source in sources:
            key = ("list", source["location"])
            name = printable(source["location"])
            trouble = self._trouble(key, source["state"] != "ok", now)
            message = None
            if trouble == "reported":
                error = printable(source["error"] or source["state"])
                message = Message("list", f"the list {name} is unreadable: {error}")
            elif trouble == "over":
                message = Message("list", f"the list {name} is readable again")
            yield key, message

    def _trouble(self, key: Hashable, is_bad: bool, now: float) -> str:
        """Return `reported` or `over` at the moment at which a message is due, else an empty text."""
        if not is_bad:
            known = self._troubles.pop(key, None)
            return "over" if known and known.is_reported else ""
        trouble = self._troubles.setdefault(key, _Trouble(now))
        if trouble.is_reported or now - trouble.since < self._delay:
            return ""
        trouble.is_reported = True
        return "reported"

    def _gateways(self, gateways: Any) -> Iterator[Message]:
        for gateway in gateways:
            address, kind = gateway["external_address"], gateway["external_kind"]
            if address is None:
                continue
            place = gateway["address"]
            before, kind_before = self._addresses.get(place, (address, kind))
            self._addresses[place] = (address, kind)
            if before != address:
                yield Message("address", f"the external address changed from {before} to {address}")
            if kind == "cgnat" and kind_before != "cgnat":
                yield Message("cgnat", f"{address} is behind CGNAT now: only the provider can open ports")

    @property
    def _words(self) -> str:
        return format_duration(self._delay)
