"""What an author's fixture `subject` returns: the plugin's object, and the means to try it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import attrs

from portmapper.api.backend import Backend, Target
from portmapper.api.command import Command
from portmapper.api.events import Observer
from portmapper.api.model import Protocol
from portmapper.api.source import Format, FormatOptions, Source

Switch = Callable[[], Awaitable[None] | None]
"""Changes how the other side behaves from now on; a plain function or a coroutine function."""


@attrs.frozen
class BackendSubject:
    """A backend, and a gateway that it finds.

    Attributes:
        backend: a new object that has not been used.
        target: where it finds the gateway.
        open_ports: tells what is open on the gateway now, as pairs of protocol and external port.
        silence: from now on the gateway takes everything and answers nothing.
        garble: from now on it answers everything with bytes that make no sense.
        ports: external ports, at least eight, that the gateway has free.
    """

    backend: Backend
    target: Target
    open_ports: Callable[[], Collection[tuple[Protocol, int]]]
    silence: Switch
    garble: Switch
    ports: Sequence[int] = range(42_000, 42_020)


@attrs.frozen
class SourceSubject:
    """A source, and the place that it reads.

    Attributes:
        source: a new object that has not been used.
        content: what it fetches there: a document's bytes, or the fields of each row.
        fail: from now on the place cannot be read: it is gone, refuses, or makes no sense.
        stall: from now on it takes the request and never answers; None where that cannot be.
        flood: from now on it has more than `portmapper.api.source.MAX_DOCUMENT` bytes; None where that
            cannot be.
    """

    source: Source
    content: bytes | Sequence[Mapping[str, object]]
    fail: Switch
    stall: Switch | None = None
    flood: Switch | None = None


@attrs.frozen
class FormatSubject:
    """A format, and documents of it.

    Attributes:
        format: the object.
        document: a good one, of at least one row.
        rows: the fields of each of its rows, as `parse` gives them.
        bad_row: a document with a good row and with one whose port is no port.
        bad_place: the `place` of the latter, such as `line 3`.
        broken: a document that cannot be parsed as a whole; None where every line stands for itself.
        options: what `parse` is given.
    """

    format: Format
    document: bytes
    rows: Sequence[Mapping[str, object]]
    bad_row: bytes
    bad_place: str
    broken: bytes | None = None
    options: FormatOptions = attrs.field(factory=FormatOptions)


@attrs.frozen
class ObserverSubject:
    """An observer.

    Attributes:
        observer: a new object that has not been started.
        limit: seconds that it may take for one event.
    """

    observer: Observer
    limit: float = 20.0


@attrs.frozen
class CommandSubject:
    """A command.

    Attributes:
        command: the object.
        arguments: with which it can be run in a test, without its name.
        status: what it then returns.
    """

    command: Command
    arguments: Sequence[str] = ()
    status: int = 0
