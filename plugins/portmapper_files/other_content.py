"""Recognizes what is not a list at all: a web page, a workbook, an archive, YAML."""

from __future__ import annotations

import re

_WEB_PAGE = re.compile(r"\s*(?:<!doctype html|<html|<\?xml)", re.IGNORECASE)
_YAML = re.compile(r"\s*(?:---\s|- +[a-z_]+ *:|[a-z_]+ *:\s)")
_MAGIC = {
    b"PK\x03\x04": "it is a workbook or a ZIP archive: save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "it is a workbook: save the sheet as CSV",
    b"\x1f\x8b": "it is compressed: decompress it first",
    b"%PDF": "it is a PDF document",
}


def binary_cause(content: bytes) -> str:
    """Return what a binary document is, as the end of a message; empty if it is not known."""
    return next((f": {cause}" for magic, cause in _MAGIC.items() if content.startswith(magic)), "")


def text_cause(text: str) -> str:
    """Return what a text is that is not a list, and what to do; empty if it is not known."""
    if _WEB_PAGE.match(text):
        return "it is a web page: check the address, a login page may be in front of the list"
    return "it looks like YAML: write the list as CSV, JSON or TOML" if _YAML.match(text) else ""
