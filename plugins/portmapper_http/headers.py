"""The HTTP headers that the user configured, from a file or an environment variable."""

from __future__ import annotations

import os
import re
from pathlib import Path

from portmapper.api import SourceError
from portmapper.support.encodings import as_utf8
from portmapper.support.safe_open import read_limited
from portmapper.support.secrets import KNOWN, credentials_in

VARIABLE = "PORTMAPPER_HTTP_HEADERS"
"""Headers for every URL that has no `headers_file`."""

_FROM_ENVIRONMENT = "env:"
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z"
_MAX_SIZE = 64 * 1024
# These belong to the connection, and a wrong value would damage the request.
_FORBIDDEN = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


def read_headers(headers_file: str) -> dict[str, str]:
    """Return the headers in a file, in `env:NAME`, or else in the environment's default variable.

    They are read at each request, so that a token can be rotated.

    Raises:
        SourceError: the file cannot be read, or a line is no header. The message shows no value.
    """
    if headers_file.startswith(_FROM_ENVIRONMENT):
        variable = headers_file.removeprefix(_FROM_ENVIRONMENT)
        if variable not in os.environ:
            raise SourceError(f"headers_file: the environment variable {variable} is not set")
        return _parse(os.environ[variable], f"environment variable {variable}")
    if headers_file:
        return _parse(_content(headers_file), "headers_file")
    return _parse(os.environ.get(VARIABLE, ""), f"environment variable {VARIABLE}")


def _content(path: str) -> str:
    try:
        return as_utf8(read_limited(Path(path), _MAX_SIZE)).decode()
    except OSError as error:
        raise SourceError(f"headers_file: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError("headers_file: not UTF-8 text") from None


def _parse(text: str, where: str) -> dict[str, str]:
    headers = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon or not re.match(_NAME, name) or not value.strip().isprintable():
            raise SourceError(f"{where}: line {number} is not 'Name: value'")
        if name.lower() in _FORBIDDEN:
            raise SourceError(f"{where}: line {number}: the header {name} cannot be set")
        headers[name] = value.strip()
    KNOWN.add(credentials_in(headers))
    return headers
