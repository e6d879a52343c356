"""The messages that wait for one receiver: until the quiet hours are over, or the receiver answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from portmapper.support.text import plural
from portmapper.support.threads import in_thread
from portmapper_notify.conditions import Key, Message

FIRST_DELAY = 5.0
MAX_DELAY = 300.0
MAX_WAITING = 100
MAX_TEXT = 2000
SEND_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Outbox:
    """Sends each message once to one URL. A receiver that fails delays no other one.

    Args:
        url: where to send.
    """

    def __init__(self, url: str) -> None:
        import hashlib  # loads OpenSSL

        self._url = url
        self._waiting: list[Message] = []
        self._retry_at, self._delay = 0.0, FIRST_DELAY
        self.name = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:16]

    def add(self, message: Message) -> None:
        """Send a message later; of too many, the oldest are left out."""
        self._waiting.append(message)
        del self._waiting[:-MAX_WAITING]

    def cancel(self, kind: str, key: Key) -> bool:
        """Take back a message that was not sent; return whether there was one."""
        kept = [message for message in self._waiting if (message.kind, message.key) != (kind, key)]
        is_cancelled = len(kept) < len(self._waiting)
        self._waiting = kept
        return is_cancelled

    def snapshot(self) -> Iterator[list[object]]:
        """Yield the messages that must survive a restart."""
        for message in self._waiting:
            yield [message.kind, message.text, list(message.key)]

    async def send(self, is_quiet: Callable[[str], bool]) -> None:
        """Send what waits, as one message. After a failure, wait before the next attempt."""
        due = [message for message in self._waiting if not is_quiet(message.kind)]
        if not due or time.monotonic() < self._retry_at:
            return
        lines = list(dict.fromkeys(message.text for message in due))
        if await self._is_sent(lines):
            self._waiting = [message for message in self._waiting if message not in due]
            self._retry_at, self._delay = 0.0, FIRST_DELAY
            return
        if self._delay == FIRST_DELAY:
            # The host may be a secret, too.
            scheme = self._url.partition(":")[0]
            _log.warning(
                "%s not sent: check the URL with %s:// in [plugin.notify]",
                plural(len(lines), "message"),
                scheme,
            )
        self._retry_at = time.monotonic() + self._delay
        self._delay = min(2 * self._delay, MAX_DELAY)

    async def _is_sent(self, lines: Sequence[str]) -> bool:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await in_thread(partial(send, self._url, lines))
        except Exception as error:  # 130 services are called, each with its own library
            _log.debug("notify: %s", type(error).__name__, exc_info=error)
            return False


def send(url: str, lines: Sequence[str]) -> bool:
    """Send the lines as one message; runs in a thread."""
    import apprise

    # Its log contains parts of the URLs, and these contain passwords.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    services = apprise.Apprise()
    if not services.add(url):
        return False
    sent = services.notify(body="\n".join(lines), title="portmapper", body_format=apprise.NotifyFormat.TEXT)
    return bool(sent)


def read_message(value: object, kinds: Sequence[str]) -> Message | None:
    """Return a message of an earlier run, None if it is damaged."""
    match value:
        case [str(kind), str(text), list(key)] if kind in kinds and len(text) <= MAX_TEXT:
            return Message(kind, text, tuple(key))
    return None
