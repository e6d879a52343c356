"""The style sheet, the script and the icon. Their address has a hash, so browsers may keep them."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from portmapper.api import WebResponse

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FILES = ("style.css", "page.js", "icon.svg")

FOREVER = "public, max-age=31536000, immutable"


def address(name: str) -> str:
    """Return the path of a file, which changes with its content."""
    return f"/static/{name}?v={_version(name)}"


def asset(name: str, version: str) -> WebResponse:
    """Return a file; only the current version may be kept by browsers."""
    if name not in FILES:
        return WebResponse("There is no such file.", 404, "text/plain; charset=utf-8")
    is_current = version == _version(name)
    caching = {"Cache-Control": FOREVER if is_current else "no-cache"}
    return WebResponse(_content(name), content_type=TYPES[Path(name).suffix], headers=caching)


@functools.cache
def _content(name: str) -> bytes:
    return (Path(__file__).parent / "static" / name).read_bytes()


@functools.cache
def _version(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:12]
