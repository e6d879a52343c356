"""POSTs each event of the kinds that a `[[webhook]]` names to a URL, as signed JSON."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

from portmapper import __version__
from portmapper.api import Event, Observer, PortmapperError
from portmapper.support.text import printable
from portmapper.support.threads import in_thread
from portmapper_hooks.facts import json_of
from portmapper_hooks.settings import WebhookSettings, tables
from portmapper_hooks.turns import Turns, mapping_of

if TYPE_CHECKING:
    import aiohttp

FINISH_LIMIT = 3.0
"""Seconds that calls under way have when the daemon ends."""

FIRST_PAUSE = 1.0
"""Seconds before the second attempt; each later pause is twice as long, and all are jittered."""

MAX_PAUSE = 60.0
MAX_SECRET = 4096

TIMESTAMP_HEADER = "X-Portmapper-Timestamp"
SIGNATURE_HEADER = "X-Portmapper-Signature"

_log = logging.getLogger(__name__)


class WebhookObserver(Observer):
    """Calls URLs, again where that fails for now."""

    name = "webhook"
    table = "webhook"
    end_limit: ClassVar[float] = FINISH_LIMIT + 1

    def __init__(self, webhooks: Sequence[WebhookSettings]) -> None:
        self._webhooks = webhooks
        self._turns = Turns()
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def configured(cls, part: object) -> Self | None:
        """Call what the tables `[[webhook]]` say."""
        return cls(tables(WebhookSettings, part, cls.table)) if part is not None else None

    async def observe(self, event: Event) -> None:
        """Have the URLs called; each with the events of one mapping in their order."""
        for webhook in self._webhooks:
            if event.kind in webhook.on:
                key = (webhook.url, mapping_of(event))
                await self._turns.add(key, partial(self._deliver, webhook, event))

    async def close(self) -> None:
        """Let what is under way finish, then give it up."""
        await self._turns.close(FINISH_LIMIT)
        if self._session is not None:
            await self._session.close()

    async def _deliver(self, webhook: WebhookSettings, event: Event) -> None:
        host = printable(urlsplit(webhook.url).hostname or "")
        pause = FIRST_PAUSE
        for attempt in range(1, webhook.attempts + 1):
            problem, again = await self._post(webhook, json_of(event))
            if not problem:
                return
            if not again or attempt == webhook.attempts:
                _log.warning("webhook at %s on %s: %s", host, event.kind, problem)
                return
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            pause = min(2 * pause, MAX_PAUSE)

    async def _post(self, webhook: WebhookSettings, body: bytes) -> tuple[str, bool]:
        """Try once; return what is wrong, empty for nothing, and whether another attempt makes sense."""
        aiohttp = await in_thread(_import_aiohttp)
        self._session = self._session or aiohttp.ClientSession(trust_env=False)
        try:
            headers = await in_thread(partial(headers_of, webhook, body))
            async with self._session.post(
                webhook.url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=webhook.time_limit),
            ) as response:
                status = response.status
        except (PortmapperError, aiohttp.InvalidURL) as error:
            return str(error), False
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return printable(str(error)) or "no answer in time", True
        return (
            ("", False) if 200 <= status < 300 else (f"HTTP status {status}", status >= 500 or status == 429)
        )


def headers_of(webhook: WebhookSettings, body: bytes) -> dict[str, str]:
    """Return the headers of a request: with a secret, the time and the signature over time and body.

    Raises:
        PortmapperError: the secret's file cannot be read, or is empty.
    """
    headers = {"Content-Type": "application/json", "User-Agent": f"portmapper/{__version__}"}
    secret = webhook.secret.encode() if webhook.secret_file is None else _read_secret(webhook.secret_file)
    if not secret:
        return headers
    # OpenSSL is loaded with it: not in every start.
    import hmac

    now = str(int(time.time()))
    signature = hmac.digest(secret, f"{now}.".encode() + body, "sha256").hex()
    return {**headers, TIMESTAMP_HEADER: now, SIGNATURE_HEADER: f"sha256={signature}"}


def _read_secret(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            secret = file.read(MAX_SECRET).strip()
    except OSError as error:
        raise PortmapperError(f"{path}: {error.strerror}") from None
    if not secret:
        raise PortmapperError(f"{path}: holds no secret")
    return secret


def _import_aiohttp() -> Any:
    """Import aiohttp beside the loop, at the first event that needs it."""
    import aiohttp

    return aiohttp
