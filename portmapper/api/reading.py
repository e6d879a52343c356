"""The result of reading a source: mappings and rejected rows, or an error."""

from __future__ import annotations

import enum

from portmapper.api.model import Mapping
from portmapper.support.values import frozen


@frozen
class Rejected:
    """A row that was rejected.

    Attributes:
        where: row and column or key, such as `line 4, column port`.
        reason: what is wrong, including the value.
        line: the line in the document, if `where` does not name it; 0 for none.
    """

    where: str
    reason: str
    line: int = 0

    @property
    def place(self) -> str:
        """Where to look, for people: `line 4, column port`, or `line 9, [2].port`."""
        return f"line {self.line}, {self.where}" if self.line else self.where

    @property
    def document(self) -> dict[str, str | int]:
        """The row in JSON documents; `line` is omitted if `where` names it."""
        return {"where": self.where, "reason": self.reason, **({"line": self.line} if self.line else {})}


class SourceState(enum.StrEnum):
    """Result of the last read.

    Attributes:
        OK: read and parsed; single rows may be rejected.
        STALE: the read failed; the mappings of the last successful read stay in effect.
        FAILED: the read failed, and no earlier read succeeded.
    """

    OK = "ok"
    STALE = "stale"
    FAILED = "failed"


@frozen
class Reading:
    """The content of a source after a read.

    Attributes:
        location: as the user wrote it, without a password.
        format: name of the format, or of the source if it returns rows itself; empty if the read failed.
        state: result of the last read.
        mappings: the desired mappings, in document order.
        rejected: the rejected rows.
        warnings: rows that are used although something is wrong with them.
        error: why the state is not `ok`, one line without the location; None otherwise.
    """

    location: str
    format: str = ""
    state: SourceState = SourceState.FAILED
    mappings: tuple[Mapping, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    error: str | None = None
    warnings: tuple[Rejected, ...] = ()
