"""Replaces names of directories in the paths of a text: they often name people and companies."""

from __future__ import annotations

import re
from collections.abc import Callable

_UNIX_PATH = re.compile(
    r"(?:(?<=file://)|(?<![\w/.>)\]*-])(?!(?<=:)//))(~[\w.-]{0,32}|)((?:/+[^/\s:\"'<>|,;()\[\]]{1,255}){2,})"
)
_WINDOWS_PATH = re.compile(
    r"(?<![A-Za-z])([A-Za-z]:|\\\\[^\s\\]{1,64}(?=\\))((?:[\\/]+[^/\\:*?\"<>|\r\n]{1,64}(?=\\))+)"
)
_QUOTED_PATH = re.compile(r"(?<=[\"'])()((?:/+[^/\"'<>|\r\n]{1,255}){2,})(?=[\"'])")

ROOTS = frozenset(
    {"etc", "var", "srv", "usr", "opt", "mnt", "media", "tmp", "run", "home", "root", "data", "volumes"}
)
"""First parts of paths of files; another path may be that of a URL."""

COMMON = ROOTS | frozenset(
    {
        *(
            "app",
            "appdata",
            "application support",
            "apps",
            "bin",
            "cache",
            "cert",
            "certs",
            "common",
            "compose",
        ),
        *(
            "conf",
            "conf.d",
            "config",
            "containers",
            "credentials",
            "desktop",
            "dev",
            "dist-packages",
            "docker",
        ),
        *(
            "documents",
            "downloads",
            "hooks",
            "keys",
            "launchdaemons",
            "lib",
            "lib64",
            "library",
            "lists",
            "local",
        ),
        *(
            "log",
            "logs",
            "net",
            "network",
            "pipx",
            "pki",
            "plugins",
            "portmapper",
            "ports",
            "private",
            "proc",
        ),
        *("program files", "programdata", "roaming", "sbin", "scripts", "secrets", "share", "site-packages"),
        *(
            "snap",
            "ssl",
            "state",
            "sys",
            "system",
            "system32",
            "systemd",
            "temp",
            "tls",
            "user",
            "users",
            "venv",
        ),
        *("venvs", "windows", ".cache", ".config", ".local", ".venv"),
    }
)
"""Names of directories that many hosts have, in lower case."""

_NOT_CHOSEN = re.compile(r"[\W\d_]*|python[\d.]*t?|v\d|\{\w+\}", re.IGNORECASE)
_FILE = re.compile(r".+\.[a-z][a-z0-9]{1,8}", re.IGNORECASE)


def without_directories(text: str, substitute: Callable[[str], str]) -> str:
    """Return the text with each chosen name of a directory replaced by its substitute."""

    def unix(match: re.Match[str]) -> str:
        first, *_, last = (part for part in match[2].split("/") if part)
        is_file = match[1] or first.lower() in ROOTS or _FILE.fullmatch(last)
        return match[1] + _replaced(match[2], substitute) if is_file else match[0]

    text = _UNIX_PATH.sub(unix, _QUOTED_PATH.sub(unix, text))
    return _WINDOWS_PATH.sub(lambda match: match[1] + _replaced(match[2], substitute), text)


def _replaced(path: str, substitute: Callable[[str], str]) -> str:
    parts = re.split(r"([/\\]+)", path)
    # The last part of a path may be a file, whose name readers need.
    is_file = [number == len(parts) - 1 and _FILE.fullmatch(part) for number, part in enumerate(parts)]
    return "".join(
        part if file or _is_common(part) else substitute(part.lower())
        for part, file in zip(parts, is_file, strict=True)
    )


def _is_common(name: str) -> bool:
    return name.lower() in COMMON or _NOT_CHOSEN.fullmatch(name) is not None
