"""What the buttons do: the question before, the request, the result, and how to undo it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from portmapper.api import PortmapperError, UsageError, WebView, quoted
from portmapper.support.text import endpoint, plural, sentence
from portmapper.support.wording import port_text
from portmapper_web.words import mapping_port

Document = Mapping[str, Any]
Record = dict[str, object]

FIELDS = ("port", "protocol", "address", "internal_port", "lifetime", "remote", "comment")
"""The fields of the form that opens a port."""

PATIENCE = 9.0
"""Seconds to wait for a result, less than a page may take; the daemon itself waits 8 s for a gateway."""

LATER = "This takes longer. The page shows the change when it is done."

MAX_RESULTS = 50

RESULTS = {
    "closed": "is closed",
    "paused": "is paused",
    "resumed": "is resumed",
    "not_paused": "was not paused",
    "unknown": "is not known",
    "listed": "stays open",
    "failed": "is not closed yet",
}


@attrs.frozen
class Result:
    """What an action did.

    Attributes:
        text: one or more sentences.
        is_error: it failed.
        undo: the action that reverts it, with its records; None if there is none.
    """

    text: str
    is_error: bool = False
    undo: tuple[str, Sequence[Record]] | None = None


class Actions:
    """Carries out actions, and keeps their last results for the page that shows them.

    Attributes:
        job: the id of the latest diagnosis; None before the first.
    """

    def __init__(self, view: WebView) -> None:
        self._view = view
        self._results: dict[str, Result] = {}
        self._tasks: set[asyncio.Task[Result]] = set()
        self.job: str | None = None
        self._run: dict[str, Callable[[Sequence[Record]], Awaitable[Result]]] = {
            "open": self._open,
            "close": self._close,
            "pause": self._pause,
            "resume": self._resume,
            "reload": self._reload,
            "doctor": self._doctor,
        }

    def result(self, number: str) -> Result | None:
        """Return a result; None if it is too old."""
        return self._results.get(number)

    async def act(self, action: str, form: Mapping[str, str]) -> str:
        """Carry out an action with the fields of a form, and return the id of the result."""
        self._check(action)
        if action == "undo":
            done = self._results.pop(form.get("result", ""), None)
            if done is None or done.undo is None:
                return self._keep(Result("This cannot be undone any more.", True))
            action, records = done.undo
            return self._keep(attrs.evolve(await self._patiently(action, records), undo=None))
        return self._keep(await self._patiently(action, [record_of(form)]))

    def _check(self, action: str) -> None:
        if action not in self._run and action != "undo":
            raise UsageError(f"there is no action {quoted(action)}")

    async def _patiently(self, action: str, records: Sequence[Record]) -> Result:
        """Return the result, or after a while that there is none yet; the action goes on."""
        task = asyncio.ensure_future(self._contained(action, records))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        done, _ = await asyncio.wait([task], timeout=PATIENCE)
        return task.result() if done else Result(LATER)

    async def _contained(self, action: str, records: Sequence[Record]) -> Result:
        try:
            return await self._run[action](records)
        except PortmapperError as error:
            return Result(sentence(str(error)), True)

    def _keep(self, result: Result) -> str:
        while len(self._results) >= MAX_RESULTS:
            del self._results[next(iter(self._results))]
        number = secrets.token_urlsafe(9)
        self._results[number] = result
        return number

    async def _open(self, records: Sequence[Record]) -> Result:
        status = await self._view.open(records)
        failed = any(mapping["state"] != "active" for mapping in status["mappings"])
        return Result(" ".join(map(_opened, status["mappings"])), failed)

    async def _close(self, records: Sequence[Record]) -> Result:
        ports = (await self._view.close(records))["ports"]
        closed = [record for port in ports for record in port.get("records", ())]
        return _of_ports(ports, ("open", closed) if closed else None)

    async def _pause(self, records: Sequence[Record]) -> Result:
        return _of_ports((await self._view.pause(records))["ports"], ("resume", records))

    async def _resume(self, records: Sequence[Record]) -> Result:
        return _of_ports((await self._view.resume(records))["ports"], None)

    async def _reload(self, _: Sequence[Record]) -> Result:
        sources = (await self._view.reload())["sources"]
        rejected = sum(len(source["rejected"]) for source in sources)
        failed = [source["location"] for source in sources if source["error"]]
        text = (
            f"The lists were read again: {plural(len(sources), 'list')}, {plural(rejected, 'rejected row')}."
        )
        return Result(text + "".join(f" {location} could not be read." for location in failed), bool(failed))

    async def _doctor(self, _: Sequence[Record]) -> Result:
        self.job = (await self._view.start_doctor({}))["id"]
        return Result("Doctor is running. The findings appear below.")


def record_of(form: Mapping[str, str]) -> Record:
    """Return the record of a form; an empty field is omitted."""
    return {name: form[name].strip() for name in FIELDS if form.get(name, "").strip()}


def record_text(record: Mapping[str, object]) -> str:
    """Return the port of a record: `8080/tcp`."""
    port, protocol = str(record.get("port", "")), str(record.get("protocol", ""))
    return port if "/" in port or not protocol else port_text(port, protocol)


def _opened(mapping: Document) -> str:
    if mapping["state"] != "active":
        return sentence(f"{mapping_port(mapping)} is not open: {mapping.get('error') or 'no answer yet'}")
    if not mapping["external_address"]:
        return f"{mapping_port(mapping)} is open."
    outside = endpoint(mapping["external_address"], mapping["external_port"])
    return f"{mapping_port(mapping)} is open at {outside}."


def _of_ports(ports: Sequence[Document], undo: tuple[str, Sequence[Record]] | None) -> Result:
    done = all(port["result"] in ("closed", "paused", "resumed") for port in ports)
    return Result(" ".join(map(_port_result, ports)), not done, undo if done else None)


def _port_result(port: Document) -> str:
    text = f"{port_text(port['port'], port['protocol'])} {RESULTS.get(port['result'], port['result'])}"
    return f"{text}: {port['detail'].rstrip('.')}." if port.get("detail") else f"{text}."
