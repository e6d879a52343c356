"""The classes that the fixture `subject` of each contract returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import attrs

from portmapper.api.backend import Backend, Target
from portmapper.api.command import Command
from portmapper.api.events import Observer
from portmapper.api.guard import Guard
from portmapper.api.model import Protocol
from portmapper.api.quirks import Device, Quirk
from portmapper.api.source import Format, FormatOptions, Source
from portmapper.api.tokens import TokenSource
from portmapper.api.web import WebPages

Switch = Callable[[], Awaitable[None] | None]
"""Changes how the other side behaves from now on; a function or a coroutine function."""


@attrs.frozen
class BackendSubject:
    """A backend, and a gateway that it finds.

    Attributes:
        backend: a new, unused object.
        target: the target at which it finds the gateway.
        open_ports: returns the open ports of the gateway as pairs of protocol and external port.
        silence: makes the gateway accept all requests and answer none.
        garble: makes the gateway answer every request with invalid bytes.
        ports: at least eight external ports that are free on the gateway.
    """

    backend: Backend
    target: Target
    open_ports: Callable[[], Collection[tuple[Protocol, int]]]
    silence: Switch
    garble: Switch
    ports: Sequence[int] = range(42_000, 42_020)


@attrs.frozen
class SourceSubject:
    """A source and its content.

    Attributes:
        source: a new, unused object.
        content: what it fetches: the bytes of a document, or the fields of each row.
        fail: makes the content unreadable: missing, refused or invalid.
        stall: makes the other side accept the request and never answer; None if that cannot happen.
        flood: makes the content larger than `portmapper.api.source.MAX_DOCUMENT` bytes; None if that cannot
            happen.
    """

    source: Source
    content: bytes | Sequence[Mapping[str, object]]
    fail: Switch
    stall: Switch | None = None
    flood: Switch | None = None


@attrs.frozen
class FormatSubject:
    """A format and documents to parse.

    Attributes:
        format: the object.
        document: a valid document with at least one row.
        rows: the fields of each of its rows, as `parse` returns them.
        bad_row: a document with a valid row and a row with an invalid port.
        bad_where: the `where` of the invalid row, such as `line 3`.
        broken: a document that is invalid as a whole; None if only single rows can be invalid.
        options: the options for `parse`.
    """

    format: Format
    document: bytes
    rows: Sequence[Mapping[str, object]]
    bad_row: bytes
    bad_where: str
    broken: bytes | None = None
    options: FormatOptions = attrs.field(factory=FormatOptions)


@attrs.frozen
class ObserverSubject:
    """An observer.

    Attributes:
        observer: a new object that has not been started.
        limit: the time limit for one event in seconds.
    """

    observer: Observer
    limit: float = 20.0


@attrs.frozen
class CommandSubject:
    """A command.

    Attributes:
        command: the object.
        arguments: arguments with which it can run in a test, without its name.
        status: the exit status that it then returns.
    """

    command: Command
    arguments: Sequence[str] = ()
    status: int = 0


@attrs.frozen
class QuirkSubject:
    """A quirk.

    Attributes:
        quirk: the object.
        device: a device that has the quirk.
    """

    quirk: Quirk
    device: Device


@attrs.frozen
class GuardSubject:
    """A guard, and the election that it takes part in.

    Attributes:
        guard: a new object, which does not lead yet.
        lead: makes the guard the leader, or lets it win the election.
        lose: takes its leadership away.
    """

    guard: Guard
    lead: Switch
    lose: Switch


@attrs.frozen
class TokenSubject:
    """A source of tokens.

    Attributes:
        tokens: the object.
        other: another object that is configured in the same way, as on another host.
    """

    tokens: TokenSource
    other: TokenSource


@attrs.frozen
class WebSubject:
    """Pages and a panel.

    Attributes:
        pages: the object; `FakeView()` can be its view.
        parts: a valid value for each `{NAME}` in its paths.
    """

    pages: WebPages
    parts: Mapping[str, str] = attrs.field(factory=dict)
