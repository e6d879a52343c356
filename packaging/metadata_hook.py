"""Completes the metadata of the distribution: links and the README, from the project's address.

The address is `[tool.portmapper] address` in pyproject.toml, and nowhere else. While it is empty, the
metadata has no links, and the README has their texts only: a package index cannot resolve relative links.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

try:
    from hatchling.metadata.plugin.interface import MetadataHookInterface
except ImportError:  # the release checks use the functions below without hatchling
    MetadataHookInterface = object

_RELATIVE_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?![a-z]+:|#)([^)]+)\)")


class LinksHook(MetadataHookInterface):
    """Sets `urls` and `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add what depends on the address."""
        root = Path(self.root)
        address = project_address(root)
        text = (root / "README.md").read_text(encoding="utf-8")
        metadata["urls"] = urls(address)
        metadata["readme"] = {"content-type": "text/markdown", "text": published_readme(text, address)}


def project_address(root: Path) -> str:
    """Return the address of the project's repository, or an empty text while it has none."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return str(settings["tool"]["portmapper"]["address"]).rstrip("/")


def urls(address: str) -> dict[str, str]:
    """Return the links of the metadata."""
    if not address:
        return {}
    return {
        "Homepage": address,
        "Documentation": f"{address}/blob/main/docs/index.md",
        "Changelog": f"{address}/blob/main/CHANGELOG.md",
        "Issues": f"{address}/issues",
        "Source": address,
    }


def published_readme(text: str, address: str) -> str:
    """Return the README with absolute links, or without links while there is no address."""
    target = rf"[\1]({address}/blob/main/\2)" if address else r"\1"
    return _RELATIVE_LINK.sub(target, text)
