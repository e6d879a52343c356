"""The result of reading a source: its mappings, its rejected rows, or the error."""

from __future__ import annotations

import enum

import attrs

from portmapper.api.model import Mapping


@attrs.frozen
class Rejected:
    """A row that was left out.

    Attributes:
        where: row, and column or key, such as `line 4, column port`.
        reason: what is wrong, the value included.
    """

    where: str
    reason: str


class SourceState(enum.StrEnum):
    """How the last read went.

    Attributes:
        OK: read and parsed; single rows may be rejected.
        STALE: it failed; the mappings are those of the last good read.
        FAILED: it failed, and there never was a good read.
    """

    OK = "ok"
    STALE = "stale"
    FAILED = "failed"


@attrs.frozen
class Reading:
    """What a source lists.

    Attributes:
        location: as the user wrote it, without a password.
        format: the name of the format, or of the source where it brings rows itself; empty when failed.
        state: how the last read went.
        mappings: all that are wanted from there, in the document's order.
        rejected: the rows left out.
        error: why it is not `ok`, one line without the location; None otherwise.
    """

    location: str
    format: str = ""
    state: SourceState = SourceState.FAILED
    mappings: tuple[Mapping, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    error: str | None = None
