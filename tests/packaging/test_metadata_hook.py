"""Links in the metadata and the README come from one address, and are omitted without it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

Script = Callable[[str], ModuleType]
ADDRESS = "https://code.example/portmapper"


def test_there_are_no_links_without_an_address(script: Script) -> None:
    """The texts of the links stay."""
    hook = script("metadata_hook.py")
    assert hook.urls("") == {}
    text = "See [lists](docs/lists.md), [a site](https://www.example.org/a), ![logo](logo.svg), [here](#top)."
    shown = "See lists, [a site](https://www.example.org/a), ![logo](logo.svg), [here](#top)."
    assert hook.published_readme(text, "") == shown


def test_links_are_absolute_with_an_address(script: Script) -> None:
    """A package index cannot resolve relative links."""
    hook = script("metadata_hook.py")
    assert set(hook.urls(ADDRESS)) >= {"Homepage", "Documentation", "Changelog", "Issues", "Source"}
    assert all(link.startswith(ADDRESS) for link in hook.urls(ADDRESS).values())
    published = hook.published_readme("[lists](docs/lists.md)", ADDRESS)
    assert published == f"[lists]({ADDRESS}/blob/main/docs/lists.md)"


def test_the_readme_has_no_relative_link_when_published(script: Script, root: Path) -> None:
    """This holds with and without an address."""
    hook = script("metadata_hook.py")
    text = (root / "README.md").read_text(encoding="utf-8")
    for address in ("", ADDRESS):
        targets = re.findall(r"\]\(([^)]+)\)", hook.published_readme(text, address))
        assert all(target.startswith(("https://", "#")) for target in targets), targets


def test_the_readme_names_the_distribution(root: Path) -> None:
    """`pip install portmapper` would install something else."""
    assert "pipx install portmapperd" in (root / "README.md").read_text(encoding="utf-8")
