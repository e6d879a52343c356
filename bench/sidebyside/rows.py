"""What a measure came to, as a table and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

_HEAD = "| measure | ours | beside | ratio | target | met |\n|---|---|---|---|---|---|"


@dataclasses.dataclass(frozen=True)
class Row:
    """One measure.

    Attributes:
        name: what was measured; names the row for ever.
        ours: our figure.
        unit: of both figures.
        peer: what it is compared with, empty for a bound of its own.
        theirs: the peer's figure, 0 for none.
        target: the most that the ratio may be, or our figure where there is no peer; None where none is set.
        steady: the ratio says the same on every machine, so that the short form may judge by it.
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
        """Ours by theirs, None without a peer."""
        return self.ours / self.theirs if self.theirs else None

    @property
    def met(self) -> bool:
        """Tell whether the target is reached; without one it is."""
        figure = self.ours if self.ratio is None else self.ratio
        return self.target is None or figure <= self.target

    def json(self) -> dict[str, Any]:
        """Return it for other programs."""
        return {**dataclasses.asdict(self), "ratio": self.ratio, "met": self.met}

    def line(self) -> str:
        """Return its line of the table."""
        beside = f"{self.peer}: {_figure(self.theirs)} {self.unit}" if self.theirs else self.peer or "-"
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        unit = "" if self.theirs else f" {self.unit}"
        target = "-" if self.target is None else f"≤ {_figure(self.target)}{unit}"
        met = "-" if self.target is None else "yes" if self.met else "**no**"
        return f"| {self.name} | {_figure(self.ours)} {self.unit} | {beside} | {ratio} | {target} | {met} |"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    return "\n".join([_HEAD, *(row.line() for row in rows)])


def _figure(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ") if number >= 1000 else f"{number:.3g}"
