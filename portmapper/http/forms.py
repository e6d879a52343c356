"""Submitted forms, within limits."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qsl

from portmapper.control.problems import Problem
from portmapper.http.visit import visit_of

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 100
BODY_LIMIT = 10.0
"""Seconds for a client to send the body."""


async def read_form(request: Any) -> dict[str, str]:
    """Return the fields of a form, the first value of each; empty if the body is something else.

    Raises:
        Problem: there are too many fields, or the body takes too long.
    """
    visit = visit_of(request)
    if visit.form is None:
        is_form = request.content_type == FORM
        visit.form = _fields(await read_body(request)) if is_form else {}
    return visit.form


async def read_body(request: Any) -> bytes:
    """Return the body; aiohttp limits its size.

    Raises:
        Problem: it takes too long.
    """
    try:
        async with asyncio.timeout(BODY_LIMIT):
            content: bytes = await request.read()
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {BODY_LIMIT:g} s") from None
    return content


def _fields(content: bytes) -> dict[str, str]:
    try:
        text = content.decode("utf-8", "replace")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Problem(400, f"a form may have {MAX_FIELDS} fields") from None
    return dict(reversed(pairs))
