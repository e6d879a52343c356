"""Diagnoses as jobs: each is the command `doctor` in its own process, whose findings are read.

A process keeps what `doctor` loads out of the daemon's memory, and a check that hangs out of its event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import attrs

from portmapper.api.errors import UsageError
from portmapper.control.problems import Problem
from portmapper.support.wall_clock import wall_now

MAX_RUNNING = 2
MAX_KEPT = 20

TIME_LIMIT = 180.0
"""Seconds for one diagnosis."""

MAX_FINDINGS = 1000
MAX_LINE = 64 * 1024

STDERR_LIMIT = 2000
"""Bytes of an error message that are kept."""


@attrs.define(eq=False, repr=False)
class Job:
    """One diagnosis; its fields are those of the answer."""

    id: str
    started_at: str
    state: str = "running"
    ended_at: str | None = None
    step: str = "starting"
    findings: list[dict[str, Any]] = attrs.field(factory=list)
    error: str | None = None


class DoctorJobs:
    """Starts diagnoses, and keeps the results of the last ones."""

    def __init__(self, command: Sequence[str] = ()) -> None:
        """Use this command line, which prints each finding as one line of JSON; empty for none."""
        self._command = command
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, options: object) -> dict[str, Any]:
        """Start a diagnosis and return its document.

        Raises:
            UsageError: an option is invalid.
            Problem: too many are running.
        """
        import secrets  # loads OpenSSL

        arguments = _arguments(options)
        if not self._command:
            raise Problem(503, "this daemon cannot run a diagnosis")
        if len(self._tasks) >= MAX_RUNNING:
            raise Problem(429, "a diagnosis is running; wait until it ends", {"Retry-After": "10"})
        job = Job(secrets.token_urlsafe(9), _now())
        while len(self._jobs) >= MAX_KEPT:
            oldest = next(number for number, kept in self._jobs.items() if kept.state != "running")
            del self._jobs[oldest]
        self._jobs[job.id] = job
        task = asyncio.create_task(self._run(job, [*self._command, *arguments]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return attrs.asdict(job)

    def document(self, number: str) -> dict[str, Any]:
        """Return progress and findings.

        Raises:
            Problem: there is no such job.
        """
        if number not in self._jobs:
            raise Problem(404, "there is no such diagnosis; results are kept until the daemon restarts")
        return attrs.asdict(self._jobs[number])

    async def close(self) -> None:
        """End the running diagnoses."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, job: Job, command: Sequence[str]) -> None:
        try:
            async with asyncio.timeout(TIME_LIMIT):
                await _collect(job, command)
        except TimeoutError:
            job.error = f"it took longer than {TIME_LIMIT:g} s"
        except (OSError, ValueError) as error:
            job.error = f"doctor cannot run: {error}"
        finally:
            job.state = "failed" if job.error else "done"
            job.step = job.error or _conclusion(job)
            job.ended_at = _now()


def _arguments(options: object) -> list[str]:
    """Return the options of the command line for the body of a request."""
    if not isinstance(options, dict) or not isinstance(options.get("probe", True), bool):
        raise UsageError('the body must be an object such as {"probe": true}')
    return [] if options.get("probe", True) else ["--no-probe"]


async def _collect(job: Job, command: Sequence[str]) -> None:
    """Run the command and add each finding that it prints to the job."""
    async with _process(command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        message = asyncio.create_task(process.stderr.read(STDERR_LIMIT))
        async for line in process.stdout:
            if len(job.findings) < MAX_FINDINGS:
                _add(job, json.loads(line))
        status = await process.wait()
        text = (await message).decode("utf-8", "replace").strip().removeprefix("portmapper: ")
    if status not in (0, 1):
        job.error = text or f"doctor ended with status {status}"


@contextlib.asynccontextmanager
async def _process(command: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=MAX_LINE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _add(job: Job, finding: object) -> None:
    fields = ("code", "severity", "summary", "advice", "port")
    if isinstance(finding, dict) and all(isinstance(finding.get(field), str) for field in fields):
        job.findings.append({field: finding[field] for field in fields})
        job.step = finding["summary"]


def _conclusion(job: Job) -> str:
    codes = dict.fromkeys(f["code"] for f in job.findings if f["severity"] in ("error", "warning"))
    return f"{len(codes)} to look at: {', '.join(codes)}" if codes else "nothing is wrong"


def _now() -> str:
    return wall_now().replace(microsecond=0).isoformat()
