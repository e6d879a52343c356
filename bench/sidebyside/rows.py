"""Results as a table and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from sidebyside.timing import Median

_HEAD = "| measure | ours | beside | ratio | target | met |\n|---|---|---|---|---|---|"


@dataclasses.dataclass(frozen=True)
class Row:
    """A result.

    Attributes:
        name: what was measured; the name must stay the same, because `expected.json` uses it.
        ours: value of portmapper.
        unit: unit of both values.
        peer: what it is compared with; empty for an absolute target.
        theirs: value of the peer, 0 for none.
        target: upper limit of the ratio, or of our value without a peer; None for no target.
        steady: the ratio is similar on every machine, so the short run compares it.
    """

    name: str
    ours: float
    unit: str
    peer: str = ""
    theirs: float = 0.0
    target: float | None = None
    steady: bool = True

    @property
    def ratio(self) -> float | None:
        """Our value divided by the peer's, None without a peer."""
        return self.ours / self.theirs if self.theirs else None

    @property
    def met(self) -> bool:
        """Return whether the target is met; True without a target."""
        figure = self.ours if self.ratio is None else self.ratio
        return self.target is None or figure <= self.target

    def json(self) -> dict[str, Any]:
        """Return the result as JSON for other programs."""
        return {**dataclasses.asdict(self), "ratio": self.ratio, "met": self.met}

    def line(self) -> str:
        """Return the result as a row of the table."""
        beside = f"{self.peer}: {_figure(self.theirs)} {self.unit}" if self.theirs else self.peer or "-"
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        unit = "" if self.theirs else f" {self.unit}"
        target = "-" if self.target is None else f"≤ {_figure(self.target)}{unit}"
        met = "-" if self.target is None else "yes" if self.met else "**no**"
        return f"| {self.name} | {_figure(self.ours)} {self.unit} | {beside} | {ratio} | {target} | {met} |"


def table(rows: Sequence[Row]) -> str:
    """Return the results as a Markdown table."""
    return "\n".join([_HEAD, *(row.line() for row in rows)])


def _figure(number: float) -> str:
    """Return a number; a median with its smallest and largest value."""
    if not isinstance(number, Median):
        return _rounded(number)
    return f"{_rounded(number)} ({_rounded(number.low)} to {_rounded(number.high)})"


def _rounded(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ") if number >= 1000 else f"{number:.3g}"
