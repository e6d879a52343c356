"""The settings file for quick commands, if it is certainly valid.

The classes of `portmapper.config.schema` take longer to import than a quick command to run. The checks here
know the keys that most files have, with values that need no closer look. All other files are left to the full
command, which also says what is wrong. For `[backend]` and tables of plugins, it loads all plugins, and logs
which of them are broken.
"""

from __future__ import annotations

import os

from portmapper.api.field_names import FIELD_NAMES
from portmapper.support.safe_open import read_limited

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Check = Callable[[Any], bool]

MAX_SIZE = 64 * 1024
LONGEST_INTERVAL = 86_400


def plain_settings(path: str) -> dict[str, Any] | None:
    """Return the settings as written; None if they may be invalid, or if variables may add to them."""
    if not os.path.isfile(path) or any(name.startswith("PORTMAPPER_") for name in os.environ):
        return None
    import tomllib

    try:
        content = read_limited(path, MAX_SIZE)
        document = tomllib.loads(content.decode())
    except (OSError, ValueError, RecursionError):
        return None
    return document if len(content) < MAX_SIZE and _is_table(_CHECKS)(document) else None


def _is_table(checks: Mapping[str, Check]) -> Check:
    return lambda value: (
        type(value) is dict and all(key in checks and checks[key](value[key]) for key in value)
    )


def _is_array(check: Check) -> Check:
    return lambda value: type(value) is list and all(map(check, value))


def _is_one_of(*choices: str) -> Check:
    return lambda value: type(value) is str and value in choices


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_path(value: Any) -> bool:
    return type(value) is str and value.startswith("/") and not value.startswith("//") and "\0" not in value


def _is_interval(value: Any) -> bool:
    return type(value) is int and 1 <= value <= LONGEST_INTERVAL


def _is_location(value: Any) -> bool:
    return value != "" and _is_text(value)


def _is_listen_address(value: Any) -> bool:
    from portmapper.support.listen_address import parse_listen_address

    try:
        return bool(parse_listen_address(value))
    except ValueError:
        return False


def _is_source(value: Any) -> bool:
    return _is_table({"location": _is_location, "format": _is_text})(value) and "location" in value


_LOG = {"level": _is_one_of("info", "warning", "error"), "format": _is_one_of("text", "json")}
"""At level debug, asyncio logs its own start; the full command opens a log file."""

_CHECKS: dict[str, Check] = {
    "sources": _is_array(_is_text),
    "source": _is_array(_is_source),
    "format": _is_text,
    "csv_delimiter": _is_one_of(",", ";"),
    "mapping": _is_array(_is_table(dict.fromkeys(FIELD_NAMES, lambda _: True))),
    "interval": _is_interval,
    "conflict": _is_one_of("keep", "next", "overwrite", "fail"),
    "family": _is_one_of("ipv4", "ipv6", "both"),
    "close_ports_on_exit": lambda value: type(value) is bool,
    "gateway": _is_array(_is_text),
    "state_dir": _is_path,
    "pid_file": _is_path,
    "disable_plugins": _is_array(_is_text),
    "log": _is_table(_LOG),
    "http": _is_table({"listen": _is_listen_address, "hosts": _is_array(_is_text)}),
}
