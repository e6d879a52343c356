"""Which mappings to show: the filter, the search and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from portmapper_web.words import HELD_BACK, STATES, mapping_port

PER_PAGE = 50
MAX_SEARCH = 100

FILTERS = {"all": "All", "problems": "Problems", "open": "Open", "paused": "Paused or waiting"}

_SEARCHED = ("comment", "internal_address", "external_address", "gateway", "backend", "source", "remote")
_RANKS = {"conflict": 0, "refused": 0, "failed": 0, "pending": 1, "active": 3}
"""The order of the states; those that are not here come after the problems."""

Document = Mapping[str, Any]


@attrs.frozen
class Choice:
    """What the visitor wants to see.

    Attributes:
        search: the text that a mapping must contain, in lower case.
        show: one of `FILTERS`.
        page: the number of the page, from 1.
    """

    search: str = ""
    show: str = "all"
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Choice:
        """Return the choice of a query; whatever is invalid counts as not chosen."""
        show, page = query.get("show", "all"), query.get("page", "1")
        return cls(
            query.get("q", "").strip()[:MAX_SEARCH],
            show if show in FILTERS else "all",
            int(page) if page.isascii() and page.isdigit() and 1 <= len(page) <= 4 and int(page) else 1,
        )

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the query, without the page."""
        return {
            **({"q": self.search} if self.search else {}),
            **({"show": self.show} if self.show != "all" else {}),
        }

    def matches(self, mapping: Document) -> bool:
        """Return whether a mapping is to be shown."""
        return self._is_shown(mapping["state"]) and (
            not self.search or self.search.lower() in _searched_text(mapping)
        )

    def _is_shown(self, state: str) -> bool:
        if self.show == "problems":
            return is_problem(state)
        if self.show == "open":
            return state == "active"
        return self.show == "all" or state in HELD_BACK


@attrs.frozen
class Chosen:
    """The mappings of one page.

    Attributes:
        mappings: those to show.
        count: how many match on all pages.
        page: the number of the page.
        pages: how many pages there are.
    """

    mappings: Sequence[Document]
    count: int
    page: int
    pages: int


def choose(mappings: Sequence[Document], choice: Choice) -> Chosen:
    """Return the mappings of the page that was chosen, problems first."""
    found = [mapping for mapping in mappings if choice.matches(mapping)]
    found.sort(key=lambda mapping: _RANKS.get(mapping["state"], 2))
    pages = max(-(-len(found) // PER_PAGE), 1)
    page = min(choice.page, pages)
    return Chosen(found[(page - 1) * PER_PAGE : page * PER_PAGE], len(found), page, pages)


def is_problem(state: str) -> bool:
    """Return whether a mapping should be open and is not."""
    return state != "active" and state not in HELD_BACK


def _searched_text(mapping: Document) -> str:
    state: str = mapping["state"]
    words = [mapping_port(mapping), STATES.get(state, state)]
    words += [str(mapping["internal_port"]), *(mapping.get(field) or "" for field in _SEARCHED)]
    return "\n".join(words).lower()
