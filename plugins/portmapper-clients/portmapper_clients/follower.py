"""The observer that all clients share: it keeps a client's port equal to the granted port."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from portmapper.api import Event, Observer, PortmapperError
from portmapper.support.threads import in_thread
from portmapper_clients.errors import ClientFailure, LoginRefused, reason_of
from portmapper_clients.granted_port import GrantedPort
from portmapper_clients.settings import read_secret

FIRST_DELAY = 1.0
MAX_DELAY = 15.0
CHECK_SECONDS = 60.0
"""Seconds between two checks of a client that has the port. It may restart with its old settings."""

CALL_SECONDS = 10.0
"""Time limit of each request of a library."""

ATTEMPT_SECONDS = 30.0
MAX_REFUSALS = 3
"""Refused logins with one password. qBittorrent bans an address after five."""

LIBRARIES = ("deluge_client", "plexapi", "qbittorrentapi", "transmission-rpc", "urllib3")
"""Loggers of the libraries: portmapper reports in its own words, and theirs may contain the login."""

READS = 5
READ_PAUSE = 0.2

_log = logging.getLogger(__name__)


class Client(abc.ABC):
    """A connection to a client. Its methods block, and run in a thread."""

    @abc.abstractmethod
    def port(self) -> int:
        """Return the port that the client uses."""

    @abc.abstractmethod
    def set_port(self, port: int) -> None:
        """Set the port that the client uses."""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Close the connection."""


class Follower(Observer):
    """Sets the port after each change, and retries until the client confirms it.

    It never sets another port: when the mapping closes, the client keeps the port that it has.
    """

    end_limit: ClassVar[float] = 3.0

    def __init__(self, place: str, mapping: str, secret: str, secret_file: Path | None) -> None:
        self._place = place
        self._granted = GrantedPort(mapping)
        self._read_secret = partial(read_secret, secret, secret_file)
        self._changed = asyncio.Event()
        self._client: Client | None = None
        self._worker: asyncio.Task[None] | None = None
        self._late: asyncio.Task[bool] | None = None
        self._refused: LoginRefused | None = None
        self._refused_secret: str | None = None
        self._refused_port = 0
        self._refusals = 0
        self._logged = ""

    @abc.abstractmethod
    def connect(self, secret: str) -> Client:
        """Return a connection; called in a thread.

        Raises:
            LoginRefused: user name or password are invalid.
            Exception: any other failure, which `reason_of` explains.
        """

    async def observe(self, event: Event) -> None:
        """Take note of the granted port; a separate task sets it."""
        if not self._place:
            return
        before = self._granted.number
        self._granted.note(event)
        if self._granted.number not in (before, None):
            self._changed.set()
            if self._worker is None:
                self._worker = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop. The client keeps the port that it has."""
        tasks = [task for task in (self._worker, self._late) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._disconnect()

    async def _follow(self) -> None:
        delay = FIRST_DELAY
        while True:
            self._changed.clear()
            if await self._succeeds():
                pause, delay = CHECK_SECONDS, FIRST_DELAY
            else:
                pause, delay = delay, min(2 * delay, MAX_DELAY)
            if await self._change_within(pause * random.uniform(0.8, 1)):
                delay = FIRST_DELAY

    async def _change_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        return self._changed.is_set()

    async def _succeeds(self) -> bool:
        """Try once, and log the result if it is new."""
        port = self._granted.number
        if port is None:
            return True
        try:
            has_changed = await self._attempt(port)
        except LoginRefused as refused:
            self._warn(f"{refused}. Correct the login: portmapper does not try this one again")
        except PortmapperError as failure:
            self._warn(f"{failure}. portmapper tries again")
        else:
            if has_changed or self._logged:
                _log.info("%s at %s uses port %d", self.name, self._place, port)
            self._logged = ""
            return True
        return False

    def _warn(self, reason: str) -> None:
        if reason != self._logged:
            self._logged = reason
            _log.warning("%s does not use the granted port yet: %s", self.name, reason)

    async def _attempt(self, port: int) -> bool:
        """Set the port if it differs; return whether it did."""
        secret = self._read_secret()
        if secret != self._refused_secret:
            self._refusals = 0
        elif self._refused is not None and (port == self._refused_port or self._refusals >= MAX_REFUSALS):
            raise self._refused
        try:
            has_changed = await self._in_time(partial(self._ensure, port, secret))
        except LoginRefused as refused:
            self._refused, self._refused_secret, self._refused_port = refused, secret, port
            self._refusals += 1
            raise
        self._refused = self._refused_secret = None
        return has_changed

    async def _in_time(self, call: Callable[[], bool]) -> bool:
        """Run a blocking call with a time limit. A call that is late ends before the next one begins."""
        if self._late is not None:
            await asyncio.wait([self._late], timeout=ATTEMPT_SECONDS)
        if self._late is None or self._late.done():
            self._late = asyncio.create_task(in_thread(call))
            await asyncio.wait([self._late], timeout=ATTEMPT_SECONDS)
        if not self._late.done():
            raise ClientFailure(f"{self._place}: no answer in {ATTEMPT_SECONDS:g} s")
        task, self._late = self._late, None
        return task.result()

    def _ensure(self, port: int, secret: str) -> bool:
        """Set and read back the port; runs in a thread."""
        try:
            _silence_libraries()
            self._client = self._client or self.connect(secret)
            _silence_libraries()  # plexapi sets its level when it is imported
            return self._set(self._client, port)
        except PortmapperError:
            self._disconnect()
            raise
        except Exception as error:
            self._disconnect()
            raise ClientFailure(f"{self._place}: {reason_of(error)}") from error

    def _set(self, client: Client, port: int) -> bool:
        if client.port() == port or self._granted.number != port:
            return False
        client.set_port(port)
        found = client.port()
        for _ in range(READS):
            if found == port:
                return True
            time.sleep(READ_PAUSE)
            found = client.port()
        raise ClientFailure(f"{self._place} accepted port {port}, but uses {found}")

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()


def _silence_libraries() -> None:
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.CRITICAL)
