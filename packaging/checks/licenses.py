"""Checks the licenses of everything that portmapper needs, and that NOTICES.md lists them.

    python packaging/checks/licenses.py

A program under the MIT license cannot include parts that are available under the GPL only.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from notices import lines

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"\| ([\w.-]+) \| (.+) \|")
_GPL = re.compile(r"(?<!L)\bA?GPL|GNU (?:Affero )?General Public", re.IGNORECASE)


def problems(text: str) -> list[str]:
    """Return what is wrong with the licenses of the table."""
    rows = _ROW.findall(text)
    found = [f"{name}: the license is unknown" for name, terms in rows if terms == "unknown"]
    only_gpl = [name for name, terms in rows if _GPL.search(terms) and " OR " not in terms]
    return found + [f"{name}: GPL only" for name in only_gpl]


def main() -> int:
    """Print the problems, and return 1 if there are any."""
    text = "\n".join(lines()) + "\n"
    found = problems(text)
    if sys.platform == "linux" and text != (ROOT / "NOTICES.md").read_text(encoding="utf-8"):
        found.append("NOTICES.md is not up to date: python packaging/notices.py > NOTICES.md")
    print("\n".join(found) or "licenses are in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
