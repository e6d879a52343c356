"""What needs no gateway but one that costs nothing: passes, memory, and a long list read again."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from sidebyside.rows import Row
from sidebyside.timing import in_turns, told

INSIDE = (sys.executable, "-P", "-m", "sidebyside.inside")
MANY = 10_000
FEW = 100


def _inside(*arguments: str) -> float:
    return told((*INSIDE, *arguments))


def passes(times: int) -> Iterator[Row]:
    """Measure a pass in which nothing is to do, and whether its cost for each mapping grows."""
    found = in_turns(
        times,
        {"many": lambda: _inside("quiet", str(MANY)), "few": lambda: _inside("quiet", str(FEW))},
    )
    yield Row(f"pass with nothing to do, {MANY} mappings", found["many"], "ms CPU", target=20.0, steady=False)
    each, base = found["many"] / MANY * 1000, found["few"] / FEW * 1000
    yield Row("the same, for each mapping", each, "us CPU", f"with {FEW} mappings", base, 1.2)


def memory() -> Iterator[Row]:
    """Measure resident memory against an interpreter that has loaded the same and does nothing."""
    idle, one, many = (_inside("memory", str(count)) for count in (0, 1, MANY))
    yield Row("resident memory, 1 mapping", one, "KiB", "idle, the same libraries", idle, 1.5)
    yield Row(
        f"resident memory for each of {MANY} mappings", (many - one) / MANY, "KiB", target=2.0, steady=False
    )


def reread(times: int) -> Iterator[Row]:
    """Measure a list read again of which one row changed; more than one request is an error."""
    found = in_turns(
        times,
        {"ours": lambda: _inside("reread", str(MANY)), "bare": lambda: _inside("plain_csv", str(MANY))},
    )
    name = f"{MANY} rows of CSV read again, one changed"
    yield Row(name, found["ours"], "ms", target=100.0, steady=False)
    yield Row(f"{name}, by bare csv", found["ours"], "ms", "csv.DictReader", found["bare"])
