"""Writes NOTICES.md: the license of every distribution that portmapper needs.

    python packaging/notices.py > NOTICES.md

Run it in an environment with portmapperd and nothing else installed on Linux. `nox -s audit` compares.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator

ROOT = "portmapperd"

HEADING = """\
# Notices

portmapper uses these distributions. Each has its own license; its text is in the distribution.
This file is generated: `python packaging/notices.py > NOTICES.md`.
"""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_CLASSIFIER = "License :: OSI Approved :: "


def needed(name: str, seen: set[str]) -> None:
    """Add the names of everything that a distribution needs, as far as it is installed."""
    for requirement in importlib.metadata.requires(name) or []:
        other = normalized(_NAME.match(requirement)[0])  # type: ignore[index]
        if "extra ==" in requirement or other in seen:
            continue
        try:
            importlib.metadata.distribution(other)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another system or version of Python
        seen.add(other)
        needed(other, seen)


def normalized(name: str) -> str:
    """Return the canonical form of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def license_of(name: str) -> str:
    """Return the license in the metadata: the expression, else the classifiers, else the first line."""
    metadata = importlib.metadata.metadata(name)
    classifiers = metadata.get_all("Classifier") or []
    approved = [text.removeprefix(_CLASSIFIER) for text in classifiers if text.startswith(_CLASSIFIER)]
    stated = (metadata.get("License") or "").strip().partition("\n")[0]
    return metadata.get("License-Expression") or " and ".join(approved) or stated or "unknown"


def lines() -> Iterator[str]:
    """Yield the lines of the file."""
    seen: set[str] = set()
    needed(ROOT, seen)
    yield HEADING
    yield "| distribution | license |"
    yield "|---|---|"
    for name in sorted(seen):
        yield f"| {name} | {license_of(name)} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")
