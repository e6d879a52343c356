"""The source `etcd:`: one row for each key with a prefix, as a JSON object."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence

from portmapper.api import Row, Source, SourceError
from portmapper.support.stream_follower import StreamFollower
from portmapper_etcd.client import Answer, Client, EtcdError, decoded, encoded, items, number
from portmapper_etcd.location import end_of_prefix, parse_location

SCHEME = "etcd:"
MAX_KEYS = 20_000
_FETCH_SECONDS = 15.0

_SILENCE = 240.0
"""Seconds without a message after which the connection is opened again: it may be half open."""


class EtcdSource(Source):
    """The keys at `etcd:http://HOST:PORT/PREFIX`."""

    name = "etcd"
    may_be_down = True

    def __init__(self, location: str) -> None:
        """Take a location; nothing is sent."""
        super().__init__(location)
        self._target = parse_location(location.removeprefix(SCHEME))
        prefix = self._target.key.encode()
        self._range = {"key": encoded(prefix), "range_end": encoded(end_of_prefix(prefix))}
        self._revision = 0
        self._follower = StreamFollower("watching etcd", self._follow)

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim the scheme `etcd:`."""
        return location.startswith(SCHEME)

    async def fetch(self) -> Sequence[Row]:
        """Read all keys with the prefix.

        Raises:
            SourceError: etcd is unreachable or refuses, or there are too many keys.
        """
        client = Client(self._target)
        try:
            answer = await client.call("kv/range", {**self._range, "limit": str(MAX_KEYS)}, _FETCH_SECONDS)
        except EtcdError as error:
            raise SourceError(str(error)) from None
        finally:
            await client.close()
        if answer.get("more"):
            raise SourceError(f"more than {MAX_KEYS} keys begin with {self._target.key}")
        header = answer.get("header")
        self._revision = number(header.get("revision")) if isinstance(header, dict) else 0
        return [_row(entry) for entry in items(answer, "kvs")]

    async def watch(self, changed: Callable[[], None]) -> None:
        """Follow changes until `close`."""
        self._follower.start(changed)

    async def close(self) -> None:
        """Stop following."""
        await self._follower.close()

    async def _follow(self, changed: Callable[[], None]) -> str:
        """Watch from the revision of the last list until an error, an end or silence; return which."""
        client = Client(self._target)
        try:
            await self._stream(client, changed)
        except EtcdError as error:
            return str(error)
        finally:
            await client.close()
        return "the stream ended"

    async def _stream(self, client: Client, changed: Callable[[], None]) -> None:
        request = {**self._range, "start_revision": str(self._revision + 1), "progress_notify": True}
        if not self._revision:
            del request["start_revision"]
        stream = client.stream("watch", {"create_request": request}, _SILENCE)
        async with contextlib.aclosing(stream):
            async for message in stream:
                result = message.get("result")
                if not isinstance(result, dict) or result.get("canceled"):
                    return  # the revision was compacted: list again
                if items(result, "events"):
                    changed()


def _row(entry: Answer) -> Row:
    key = decoded(entry.get("key")).decode("utf-8", "replace")
    place, field_place = f"key {key[:100]}", f"key {key[:100].replace('{', '(')}, {{}}"
    try:
        fields = json.loads(decoded(entry.get("value")))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return Row({}, place, field_place, error="the value is not a JSON object", origin=key[:200])
    return Row(fields, place, field_place, origin=key[:200])
