"""Recognizes what is not a list at all: a web page, a workbook, an archive, YAML."""

from __future__ import annotations

import re

from portmapper.api import SourceError

# Compiled only after a mistake.
_WEB_PAGE = r"(?i)\s*(?:<\?xml[^>]*>\s*)?(?:<!doctype html|<html)"
_XML = r"(?i)\s*<(?:\?xml|[a-z][\w.-]*[\s>/])"
_YAML = r"(?i)\s*(?:---\s|- +[a-z_]+ *:|[a-z_]+ *:(?:\s|\Z))"
_MARKDOWN = r"\s*\|[^\n]*\|\s*(?:\n|\Z)"
_MAGIC = {
    b"\xd0\xcf\x11\xe0": "this is an Excel workbook: save it as CSV",
    b"\x1f\x8b": "this is a compressed file: decompress it first",
    b"BZh": "this is a compressed file: decompress it first",
    b"\xfd7zXZ\0": "this is a compressed file: decompress it first",
    b"7z\xbc\xaf": "this is a compressed file: extract the list first",
    b"%PDF": "this is a PDF document: write the list as CSV, JSON or TOML",
    b"{\\rtf": "this is an RTF document: save it as plain text",
    b"\x89PNG": "this is a picture, not a list",
    b"\xff\xd8\xff": "this is a picture, not a list",
    b"GIF8": "this is a picture, not a list",
    b"\x7fELF": "this is a program, not a list",
    b"SQLite format 3\0": "this is a database, not a list",
}
_ZIP = b"PK\x03\x04"
_ZIP_CONTENTS = {
    b"application/vnd.oasis.opendocument.spreadsheet": "this is an OpenDocument workbook: save it as CSV",
    b"xl/": "this is an Excel workbook: save it as CSV",
    b"mimetypeapplication/vnd.oasis": "this is an OpenDocument file: write the list as CSV, JSON or TOML",
    b"word/": "this is a Word document: write the list as CSV, JSON or TOML",
}


def refuse_other_files(content: bytes) -> None:
    """Recognize files of other programs by their first bytes.

    Raises:
        SourceError: the content is such a file; the message says what to do.
    """
    known = next((cause for magic, cause in _MAGIC.items() if content.startswith(magic)), "")
    if content.startswith(_ZIP):
        found = (cause for part, cause in _ZIP_CONTENTS.items() if part in content)
        known = next(found, "this is a ZIP archive: extract the list first")
    if known:
        raise SourceError(known)


def text_cause(text: str) -> str:
    """Return what a text is that is not a list, and what to do; empty if it is not known."""
    if re.match(_WEB_PAGE, text):
        return "it is a web page: check the address, a login page may be in front of the list"
    if re.match(_XML, text):
        return "it looks like XML: write the list as CSV, JSON or TOML"
    if re.match(_MARKDOWN, text):
        return "it looks like a table in Markdown: write the list as CSV, JSON or TOML"
    return "it looks like YAML: write the list as CSV, JSON or TOML" if re.match(_YAML, text) else ""
