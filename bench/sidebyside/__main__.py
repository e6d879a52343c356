"""`nox -s bench` runs this; `--short` is what CI runs, and fails when a ratio has grown by half."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from netlab.lab import Lab, running_lab
from netlab.requirements import missing_requirement

from sidebyside import alone, crowds, starts
from sidebyside.idle import idle
from sidebyside.regression import regressions, write
from sidebyside.rows import Row, table

ATTEMPTS = 3
"""Only a ratio that is worse three times in a row is believed to be: a busy machine makes one so, once."""


def _in_lab(lab: Lab, short: bool) -> Iterator[Row]:
    lab.gateway.reset()
    yield from starts.first_mappings(lab, 3 if short else 9)
    yield from starts.status(lab, 3 if short else 9)
    if not short:
        yield from starts.beside_upnp_daemon(lab, 5)
        yield from crowds.first_leases(lab, 9)
    yield from crowds.over_udp(lab, 100 if short else 1000, 2)
    yield from crowds.over_soap(lab, 50 if short else 300, 2 if short else 3)
    if not short:
        yield from idle(lab)


def _without_lab(short: bool) -> Iterator[Row]:
    yield from starts.version(5 if short else 15)
    yield from alone.passes(1 if short else 3)
    yield from alone.memory()
    yield from alone.reread(1 if short else 3)


def _measure(short: bool) -> Iterator[Row]:
    yield from _without_lab(short)
    if reason := missing_requirement():
        if os.environ.get("CI") == "true":
            raise SystemExit(reason)
        print(f"skipped what needs a real gateway: {reason}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as directory, running_lab(Path(directory)) as lab:
        yield from _in_lab(lab, short)


def _told(short: bool) -> list[Row]:
    rows = []
    for row in _measure(short):
        print(row.line(), flush=True)
        rows.append(row)
    return rows


def _short() -> int:
    """Return 0 as soon as no ratio is left that was worse each time."""
    left: dict[str, str] = {}
    for attempt in range(ATTEMPTS):
        found = regressions(_told(True))
        left = {name: why for name, why in found.items() if attempt == 0 or name in left}
        if not left:
            return 0
        print("\n".join(["", *left.values(), ""]), flush=True)
    return 1


def main() -> int:
    """Measure, and print what came of it."""
    parser = argparse.ArgumentParser(prog="sidebyside", description=__doc__)
    parser.add_argument("--short", action="store_true", help="less of each, and judge by the ratios expected")
    parser.add_argument("--expect", action="store_true", help="measure shortly, and expect that from now on")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table there")
    arguments = parser.parse_args()
    if arguments.short:
        return _short()
    rows = _told(arguments.expect)
    if arguments.expect:
        write(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps([row.json() for row in rows], indent=2) + "\n")
    if arguments.table:
        arguments.table.write_text(table(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
