"""Checks that two directories hold the same files with the same bytes.

python packaging/checks/same_builds.py FIRST SECOND
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

IGNORED = (".changes", ".buildinfo")
"""Files about the build itself."""


def digests(directory: Path) -> dict[str, str]:
    """Return the hash of each file by its name."""
    files = sorted(path for path in directory.iterdir() if path.suffix not in IGNORED)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def main() -> int:
    """Compare, and print the hashes."""
    first, second = (digests(Path(argument)) for argument in sys.argv[1:3])
    for name in sorted({*first, *second}):
        same = first.get(name) == second.get(name)
        print(f"{'same' if same else 'DIFFERENT'} {name} {first.get(name)}")
    return 0 if first and first == second else 1


if __name__ == "__main__":
    sys.exit(main())
