"""Command line, `python -m netlab.soak --minutes 5 --seed 1`; exits with 1 after a violation."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from netlab.requirements import missing_requirement
from netlab.soak.run import BACKENDS, soak


def main() -> int:
    """Run a soak, and print its report."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="backend to use; repeatable")
    parser.add_argument("--logs", type=Path, metavar="DIRECTORY", help="new directory for the daemons' logs")
    arguments = parser.parse_args()
    if arguments.logs and arguments.logs.exists():
        parser.error(f"{arguments.logs} already exists")
    if reason := missing_requirement():
        print(reason, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as directory:
        place = arguments.logs or Path(directory)
        try:
            report = soak(arguments.minutes * 60, arguments.seed, place, arguments.backend or BACKENDS)
        except KeyboardInterrupt:
            return 130
    print(report.text())
    return 1 if report.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
