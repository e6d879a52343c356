"""Compares status documents over time, and words what the user should know. Sends nothing itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from portmapper.support.duration import format_duration
from portmapper.support.text import printable
from portmapper_notify.settled import Settled

MAX_KEPT = 10_000
MAX_KEY_TEXT = 2048

_HELD_BACK = ("paused", "waiting")
_LISTED = ("port", "list")

Key = tuple[str | int | None, ...]
"""What a message is about: `port`, `list`, `address` or `cgnat`, and which one."""


@attrs.frozen
class Message:
    """One message.

    Attributes:
        kind: one of `settings.KINDS`.
        text: one line.
        key: what it is about.
        ends: the kind of the message that it ends, such as `closed`; empty if it ends none.
    """

    kind: str
    text: str
    key: Key = ()
    ends: str = ""


class Conditions:
    """What is true of each port, gateway and list. Each change leads to at most one message.

    Args:
        delays: how many seconds each kind of message waits; a kind that is missing is never sent.
    """

    def __init__(self, delays: Mapping[str, float]) -> None:
        self._delays = delays
        self._settled: dict[Key, Settled] = {}
        self._restored: set[Key] = set()

    def compare(self, document: dict[str, Any], now: float) -> list[Message]:
        """Return the messages that a new status document leads to.

        Args:
            document: the status document.
            now: seconds of a clock that never goes back.
        """
        sources = document.get("sources", ())
        ports = list(self._ports(document.get("mappings", ()), now))
        lists = list(self._lists(sources, now))
        self._forget_unlisted({key for key, _ in (*ports, *lists)}, sources)
        found = [message for _, message in (*ports, *lists) if message is not None]
        return [*self._gateways(document.get("gateways", ()), now), *found]

    def snapshot(self) -> list[list[object]]:
        """Return what must survive a restart: what was reported, and the addresses."""
        kept = [
            [list(key), settled.value]
            for key, settled in self._settled.items()
            if settled.value or key[0] not in _LISTED
        ]
        return kept[-MAX_KEPT:]

    def restore(self, kept: object) -> None:
        """Continue from the snapshot of an earlier run; invalid parts are left out."""
        for item in kept[:MAX_KEPT] if isinstance(kept, list) else ():
            match item:
                case [[str(kind), *rest], bool() | str() as value] if all(map(_is_part, (kind, *rest))):
                    self._settled[(kind, *rest)] = Settled(value)
                    self._restored.add((kind, *rest))

    def _forget_unlisted(self, listed: set[Key], sources: Sequence[Any]) -> None:
        """Forget the rows and lists that are gone. Those of an earlier run may not be read yet."""
        if sources and all(source["state"] == "ok" for source in sources):
            self._restored.clear()
        kept = listed | self._restored
        self._settled = {
            key: value for key, value in self._settled.items() if key in kept or key[0] not in _LISTED
        }

    def _ports(self, rows: Any, now: float) -> Iterator[tuple[Key, Message | None]]:
        for row in rows:
            if row["state"] in _HELD_BACK:
                continue
            key = ("port", row["protocol"], row["family"], row["wanted_external_port"], row["internal_port"])
            is_bad, message = row["state"] != "active", None
            if self._trouble_changes(key, is_bad, now, "closed", self._delays.get("open", 0.0)):
                message = self._closed(row, key) if is_bad else _open_again(row, key)
            yield key, message

    def _lists(self, sources: Any, now: float) -> Iterator[tuple[Key, Message | None]]:
        for source in sources:
            key: Key = ("list", source["location"][:MAX_KEY_TEXT])
            is_bad, message = source["state"] != "ok", None
            if self._trouble_changes(key, is_bad, now, "list", 0.0):
                message = _unreadable(source, key) if is_bad else _readable_again(source, key)
            yield key, message

    def _trouble_changes(self, key: Key, is_bad: bool, now: float, kind: str, delay_of_end: float) -> bool:
        """Return whether a trouble is due to be reported, or a reported one is over."""
        delay = self._delays.get(kind, math.inf) if is_bad else delay_of_end
        return self._settled.setdefault(key, Settled(False)).changes(is_bad, now, delay)

    def _closed(self, row: Any, key: Key) -> Message:
        error = printable(row["error"] or f"it is {row['state']}")
        since = f" for more than {format_duration(self._delays['closed'])}"
        return Message("closed", f"{_name(row)} is closed{since}: {error}", key)

    def _gateways(self, gateways: Any, now: float) -> Iterator[Message]:
        for gateway in gateways:
            address, place = gateway["external_address"], gateway["address"]
            if address is None:
                continue
            key: Key = ("address", place)
            settled = self._settled.setdefault(key, Settled(address))
            before = settled.value
            if settled.changes(address, now, self._delays.get("address", math.inf)):
                yield Message("address", f"the external address changed from {before} to {address}", key)
            is_behind, key = gateway["external_kind"] == "cgnat", ("cgnat", place)
            settled = self._settled.setdefault(key, Settled(is_behind))
            if settled.changes(is_behind, now, self._delays.get("cgnat", math.inf)) and is_behind:
                text = f"{address} is behind CGNAT now: only the provider can open ports"
                yield Message("cgnat", text, key)


def _name(row: Any) -> str:
    port = f"{row['wanted_external_port'] or row['internal_port']}/{row['protocol'].lower()}"
    return f"{port} ({printable(row['comment'])})" if row["comment"] else port


def _open_again(row: Any, key: Key) -> Message:
    return Message("open", f"{_name(row)} is open again", key, ends="closed")


def _unreadable(source: Any, key: Key) -> Message:
    error = printable(source["error"] or source["state"])
    return Message("list", f"the list {printable(source['location'])} is unreadable: {error}", key)


def _readable_again(source: Any, key: Key) -> Message:
    return Message("list", f"the list {printable(source['location'])} is readable again", key, ends="list")


def _is_part(value: object) -> bool:
    is_text = isinstance(value, str) and len(value) <= MAX_KEY_TEXT
    return is_text or value is None or (isinstance(value, int) and not isinstance(value, bool))
