"""The sessions of browsers: a cookie for each login. They survive a restart of the daemon."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import Any

import attrs

from portmapper.api.errors import PortmapperError
from portmapper.http.private_file import PrivateFile
from portmapper.http.tokens import Token, Tokens, hash_of
from portmapper.support.wall_clock import wall_now

FILE_NAME = "http-sessions.json"
MAX_SESSIONS = 100
LIFETIME = 7 * 86400
"""Seconds before a browser has to log in again."""

MAX_LENGTH = 100

_log = logging.getLogger(__name__)


@attrs.frozen
class Session:
    """One login.

    Attributes:
        hash: hash of the cookie.
        token: hash of the token that was used.
        began: seconds since 1970.
    """

    hash: str
    token: str
    began: float


class Sessions:
    """The sessions of one state directory; a session ends with its token."""

    def __init__(self, directory: Path, tokens: Tokens) -> None:
        self._file = PrivateFile(directory / FILE_NAME)
        self._tokens = tokens
        self._sessions = self._load()

    def begin(self, token: Token) -> str:
        """Begin a session and return the value of its cookie."""
        cookie = secrets.token_urlsafe(32)
        self._sessions[hash_of(cookie)] = Session(hash_of(cookie), token.hash, _now())
        while len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._save()
        return cookie

    def token_of(self, cookie: str) -> Token | None:
        """Return the token of a session; None if it has ended or never began."""
        session = self._sessions.get(hash_of(cookie)) if len(cookie) <= MAX_LENGTH else None
        if session is None or not 0 <= _now() - session.began < LIFETIME:
            return None
        return self._tokens.with_hash(session.token)

    def end(self, cookie: str) -> None:
        """End a session."""
        if self._sessions.pop(hash_of(cookie), None) is not None:
            self._save()

    def _load(self) -> dict[str, Session]:
        try:
            entries = self._file.read()
        except PortmapperError as error:
            _log.warning("%s; browsers have to log in again", error)
            return {}
        sessions = [session for session in map(_session, entries[-MAX_SESSIONS:]) if session]
        return {session.hash: session for session in sessions}

    def _save(self) -> None:
        try:
            self._file.write([attrs.asdict(session) for session in self._sessions.values()])
        except PortmapperError as error:
            _log.warning("%s; after a restart, browsers have to log in again", error)


def _session(entry: Any) -> Session | None:
    try:
        return Session(str(entry["hash"]), str(entry["token"]), float(entry["began"]))
    except (KeyError, TypeError, ValueError):
        return None


def _now() -> float:
    return wall_now().timestamp()
