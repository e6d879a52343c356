"""Benchmarks with a fake gateway: passes, memory, and re-reading a long list."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from sidebyside.rows import Row
from sidebyside.timing import medians_of, printed_figure

IN_PROCESS = (sys.executable, "-P", "-m", "sidebyside.in_process")
MANY = 10_000
FEW = 100


def _measure(*arguments: str) -> float:
    return printed_figure((*IN_PROCESS, *arguments))


def passes(times: int) -> Iterator[Row]:
    """Measure a pass without changes, and its cost per mapping with few and many mappings."""
    found = medians_of(
        times,
        {"many": lambda: _measure("quiet", str(MANY)), "few": lambda: _measure("quiet", str(FEW))},
    )
    yield Row(f"pass with nothing to do, {MANY} mappings", found["many"], "ms CPU", target=20.0, steady=False)
    each, base = found["many"] / MANY * 1000, found["few"] / FEW * 1000
    yield Row("the same, for each mapping", each, "us CPU", f"with {FEW} mappings", base, 1.2)


def pauses(times: int) -> Iterator[Row]:
    """Measure the longest turn of the event loop while many mappings are opened, and compare with few."""
    found = medians_of(
        times,
        {"many": lambda: _measure("pause", str(MANY)), "few": lambda: _measure("pause", str(FEW))},
    )
    name = f"longest turn of the loop, {MANY} mappings"
    yield Row(name, found["many"], "ms CPU", target=20.0, steady=False)
    yield Row(f"{name}, by few", found["many"], "ms CPU", f"with {FEW} mappings", found["few"], steady=False)


def memory() -> Iterator[Row]:
    """Measure resident memory, compared with an idle interpreter with the same libraries."""
    idle, one, many = (_measure("memory", str(count)) for count in (0, 1, MANY))
    yield Row("resident memory, 1 mapping", one, "KiB", "idle, the same libraries", idle, 1.5)
    yield Row(
        f"resident memory for each of {MANY} mappings", (many - one) / MANY, "KiB", target=2.0, steady=False
    )


def reread(times: int) -> Iterator[Row]:
    """Measure re-reading a list with one changed row; more than one request is an error."""
    found = medians_of(
        times,
        {"ours": lambda: _measure("reread", str(MANY)), "bare": lambda: _measure("plain_csv", str(MANY))},
    )
    name = f"{MANY} rows of CSV read again, one changed"
    yield Row(name, found["ours"], "ms CPU", target=100.0, steady=False)
    yield Row(f"{name}, by bare csv", found["ours"], "ms CPU", "csv.DictReader", found["bare"])
