"""Observer that sends each event listed in a `[[webhook]]` table to a URL."""

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
from portmapper.api import Event, Observer, PortmapperError, RunsHooks
from portmapper.support.encodings import as_utf8
from portmapper.support.reasons import connection_reason
from portmapper.support.safe_open import read_limited
from portmapper.support.secrets import KNOWN, credentials_in, mask_urls, masked_parts, remember
from portmapper.support.text import printable
from portmapper.support.threads import in_thread, in_thread_or_here
from portmapper_hooks.failure_log import FailureLog
from portmapper_hooks.placeholders import body_of, filled_headers, merged
from portmapper_hooks.sample import sample_event
from portmapper_hooks.settings import WebhookSettings, tables
from portmapper_hooks.work_queue import WorkQueue, mapping_key

if TYPE_CHECKING:
    import aiohttp

FINISH_LIMIT = 3.0
"""Seconds that running requests get to finish when the daemon stops."""

FIRST_DELAY = 1.0
"""Seconds before the second attempt; the delay doubles for each later one, with jitter."""

MAX_DELAY = 60.0
MAX_SECRET = 4096

TIMESTAMP_HEADER = "X-Portmapper-Timestamp"
SIGNATURE_HEADER = "X-Portmapper-Signature"

_log = logging.getLogger(__name__)


class WebhookObserver(Observer, RunsHooks):
    """Calls URLs, and retries after a temporary failure."""

    name = "webhook"
    table = "webhook"
    end_limit: ClassVar[float] = FINISH_LIMIT + 1

    def __init__(self, webhooks: Sequence[WebhookSettings]) -> None:
        self._webhooks = webhooks
        self._queue = WorkQueue()
        self._failures = FailureLog()
        self._session: aiohttp.ClientSession | None = None
        for webhook in webhooks:
            remember(webhook.url)
            KNOWN.add([webhook.secret, *credentials_in(webhook.headers)])

    @classmethod
    def from_table(cls, value: object) -> Self | None:
        """Return an observer for the `[[webhook]]` tables, or None if there are none."""
        return cls(tables(WebhookSettings, value, cls.table)) if value is not None else None

    def hook_names(self) -> tuple[str, ...]:
        """Return the names; a webhook without one cannot be tested."""
        return tuple(webhook.name for webhook in self._webhooks if webhook.name)

    def missing_programs(self) -> dict[str, str]:
        """Return nothing: a webhook runs no program."""
        return {}

    async def test_hook(self, name: str) -> str:
        """Send one request for each webhook with this name."""
        problems = []
        for webhook in self._webhooks:
            if webhook.name == name:
                problem, _ = await self._post(webhook, sample_event(webhook.on))
                problems.append(masked_parts(mask_urls(problem), webhook.url))
        return "; ".join(filter(None, problems))

    async def observe(self, event: Event) -> None:
        """Queue the matching requests; a URL gets the events of one mapping in order."""
        for webhook in self._webhooks:
            if event.kind in webhook.on:
                key = (webhook.url, mapping_key(event))
                await self._queue.add(key, partial(self._deliver, webhook, event))

    async def close(self) -> None:
        """Let running requests finish within the limit, then cancel them."""
        await self._queue.close(FINISH_LIMIT)
        if self._session is not None:
            await self._session.close()

    async def _deliver(self, webhook: WebhookSettings, event: Event) -> None:
        delay = FIRST_DELAY
        for attempt in range(1, webhook.attempts + 1):
            async with self._queue.slots:
                problem, temporary = await self._post(webhook, event)
            problem = masked_parts(mask_urls(problem), webhook.url)
            if not problem:
                self._failures.done(webhook.url, event)
                return
            if not temporary or attempt == webhook.attempts:
                self._log_failure(webhook, event, problem)
                return
            await asyncio.sleep(delay * random.uniform(0.75, 1.25))
            delay = min(2 * delay, MAX_DELAY)

    def _log_failure(self, webhook: WebhookSettings, event: Event, problem: str) -> None:
        if self._failures.is_new(webhook.url, event, problem):
            host = printable(urlsplit(webhook.url).hostname or "")
            _log.warning("webhook at %s on %s: %s", host, event.kind, problem)
        self._failures.done(webhook.url, event)

    async def _post(self, webhook: WebhookSettings, event: Event) -> tuple[str, bool]:
        """Send one request; return the problem (empty on success) and whether it is temporary."""
        aiohttp = await in_thread_or_here(_import_aiohttp)
        self._session = self._session or aiohttp.ClientSession(trust_env=False)
        body = body_of(webhook, event)
        try:
            headers = await in_thread(partial(headers_of, webhook, body))
            headers = merged(headers, filled_headers(webhook, event))
            async with self._session.request(
                webhook.method,
                webhook.url,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=webhook.time_limit),
            ) as response:
                status = response.status
        except (PortmapperError, aiohttp.InvalidURL) as error:
            return str(error), False
        except aiohttp.ClientConnectorError as error:
            return f"no connection: {connection_reason(error)}", True
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return printable(str(error)) or "no answer within the time limit", True
        return (
            ("", False) if 200 <= status < 300 else (f"HTTP status {status}", status >= 500 or status == 429)
        )


def headers_of(webhook: WebhookSettings, body: bytes) -> dict[str, str]:
    """Return the request headers; a secret adds a timestamp and a signature over timestamp and body.

    Raises:
        PortmapperError: the secret file cannot be read, or is empty.
    """
    headers = {"Content-Type": "application/json", "User-Agent": f"portmapper/{__version__}"}
    secret = webhook.secret.encode() if webhook.secret_file is None else _read_secret(webhook.secret_file)
    if not secret:
        return headers
    # hmac loads OpenSSL, which would slow down every start.
    import hmac

    now = str(int(time.time()))
    signature = hmac.digest(secret, f"{now}.".encode() + body, "sha256").hex()
    return {**headers, TIMESTAMP_HEADER: now, SIGNATURE_HEADER: f"sha256={signature}"}


def _read_secret(path: Path) -> bytes:
    try:
        secret = as_utf8(read_limited(path, MAX_SECRET)).strip()
    except OSError as error:
        raise PortmapperError(f"{path}: {error.strerror}") from None
    if not secret:
        raise PortmapperError(f"{path}: contains no secret")
    KNOWN.add([secret.decode("utf-8", "replace")])
    return secret


def _import_aiohttp() -> Any:
    """Import aiohttp in a thread, because the import would block the event loop."""
    import aiohttp

    return aiohttp
