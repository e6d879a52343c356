"""Command line for `nox -s bench`; with `--quick`, it fails if a ratio has grown by half, as in CI."""

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

from sidebyside import many_mappings, one_pass, process_start, real_daemon, without_gateway
from sidebyside.regression import regressions, write
from sidebyside.rows import Row, table

ATTEMPTS = 3
"""A ratio must be worse this many times in a row, because a busy machine can make it worse once."""


def _in_lab(lab: Lab, quick: bool) -> Iterator[Row]:
    lab.gateway.reset()
    yield from process_start.first_mappings(lab, 3 if quick else 9)
    yield from real_daemon.status(lab, 3 if quick else 9)
    yield from real_daemon.changes(lab, 3 if quick else 9)
    if not quick:
        yield from real_daemon.memory(lab)
        yield from process_start.compare_with_upnp_daemon(lab, 5)
        yield from many_mappings.first_leases(lab, 9)
    yield from many_mappings.over_pcp_and_natpmp(lab, 100 if quick else 1000, 2)
    if quick:
        yield from many_mappings.over_upnp(lab, 50, 2, 1.0)
    else:
        yield from many_mappings.over_upnp(lab, 100, 7, 0.4)
        yield from many_mappings.over_upnp(lab, 1000, 3, 0.9)
        yield from many_mappings.whole_runs_over_upnp(lab, 100, 7, 0.4)
        yield from many_mappings.whole_runs_over_upnp(lab, 1000, 3, 0.9)
    if not quick:
        yield from real_daemon.idle(lab)


def _without_lab(quick: bool) -> Iterator[Row]:
    yield from process_start.version(5 if quick else 15)
    yield from without_gateway.passes(1 if quick else 3)
    yield from without_gateway.pauses(1 if quick else 3)
    yield from without_gateway.memory()
    yield from without_gateway.reread(1 if quick else 3)
    if not quick:
        yield from one_pass.one_pass(5)


def _measure(quick: bool) -> Iterator[Row]:
    yield from _without_lab(quick)
    if reason := missing_requirement():
        if os.environ.get("CI") == "true":
            raise SystemExit(reason)
        print(f"skipped benchmarks with a real gateway: {reason}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as directory, running_lab(Path(directory)) as lab:
        yield from _in_lab(lab, quick)


def _measure_and_print(quick: bool) -> list[Row]:
    rows = []
    for row in _measure(quick):
        print(row.line(), flush=True)
        rows.append(row)
    return rows


def _quick_run() -> int:
    """Return 0 as soon as no ratio was worse in every attempt."""
    left: dict[str, str] = {}
    for attempt in range(ATTEMPTS):
        found = regressions(_measure_and_print(True))
        left = {name: why for name, why in found.items() if attempt == 0 or name in left}
        if not left:
            return 0
        print("\n".join(["", *left.values(), ""]), flush=True)
    return 1


def main() -> int:
    """Run the benchmarks, and print the results."""
    parser = argparse.ArgumentParser(prog="sidebyside", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure less; compare with expected ratios")
    parser.add_argument("--expect", action="store_true", help="measure less; store the expected ratios")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the table to this file")
    arguments = parser.parse_args()
    if arguments.quick:
        return _quick_run()
    rows = _measure_and_print(arguments.expect)
    if arguments.expect:
        write(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps([row.json() for row in rows], indent=2) + "\n")
    if arguments.table:
        arguments.table.write_text(table(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
