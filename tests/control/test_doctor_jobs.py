"""Diagnoses as jobs of the API."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest

from portmapper.api.errors import UsageError
from portmapper.control import doctor_jobs
from portmapper.control.doctor_jobs import DoctorJobs
from portmapper.control.problems import Problem

FINDING = {
    "code": "no-gateway",
    "severity": "error",
    "summary": "no gateway",
    "advice": "ask your provider",
    "port": "",
}


def command(script: str) -> list[str]:
    """Return a command line that runs a Python script in place of doctor."""
    return [sys.executable, "-c", f"import sys, time\n{script}"]


async def ended(jobs: DoctorJobs, number: str) -> dict[str, Any]:
    """Return the document of a job once it has ended."""
    async with asyncio.timeout(60):
        while (document := jobs.document(number))["state"] == "running":
            await asyncio.sleep(0.01)
    return document


async def test_findings_are_there_as_soon_as_they_are_printed() -> None:
    """And the result after the end."""
    line = f"print({json.dumps(json.dumps(FINDING))}, flush=True)"
    jobs = DoctorJobs(command(f"{line}\nsys.stdin.read()\ntime.sleep(0.2)\n{line}\nsys.exit(1)"))
    started = jobs.start({})
    assert (started["state"], started["findings"], started["ended_at"]) == ("running", [], None)
    async with asyncio.timeout(60):
        while not jobs.document(started["id"])["findings"]:
            await asyncio.sleep(0.01)
    document = await ended(jobs, started["id"])
    assert (document["state"], document["error"]) == ("done", None)
    assert document["findings"] == [FINDING, FINDING]
    assert document["step"] == "1 to look at: no-gateway"


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("sys.exit('portmapper: no settings')", "nothing"),
        ("print('no settings', file=sys.stderr); sys.exit(2)", "no settings"),
        ("sys.exit(3)", "doctor ended with status 3"),
        ("print('not JSON')", "doctor cannot run"),
        ("print('x' * 1000000)", "doctor cannot run"),
    ],
)
async def test_a_diagnosis_that_fails_has_a_reason(script: str, error: str) -> None:
    """The daemon is not affected."""
    jobs = DoctorJobs(command(script))
    document = await ended(jobs, jobs.start({})["id"])
    assert error in (document["error"] or "nothing")


async def test_a_program_that_cannot_start_is_a_failure() -> None:
    """It may have been uninstalled meanwhile."""
    jobs = DoctorJobs(["/does/not/exist"])
    assert "doctor cannot run" in (await ended(jobs, jobs.start({})["id"]))["error"]


async def test_the_time_and_the_number_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two run at the same time, and twenty results are kept."""
    monkeypatch.setattr(doctor_jobs, "TIME_LIMIT", 0.2)
    jobs = DoctorJobs(command("time.sleep(60)"))
    numbers = [jobs.start({})["id"] for _ in range(doctor_jobs.MAX_RUNNING)]
    with pytest.raises(Problem, match="a diagnosis is running"):
        jobs.start({})
    assert (await ended(jobs, numbers[0]))["error"] == "it took longer than 0.2 s"
    await jobs.close()
    jobs = DoctorJobs(["/does/not/exist"])
    first = jobs.start({})["id"]
    for _ in range(doctor_jobs.MAX_KEPT):
        await ended(jobs, jobs.start({})["id"])
    with pytest.raises(Problem, match="no such diagnosis"):
        jobs.document(first)


async def test_a_shutdown_ends_running_diagnoses() -> None:
    """No process is left."""
    jobs = DoctorJobs(command("time.sleep(60)"))
    number = jobs.start({})["id"]
    await asyncio.sleep(0)
    await jobs.close()
    assert jobs.document(number)["state"] != "running"


@pytest.mark.parametrize("options", [None, [], 7, {"probe": "no"}])
async def test_invalid_options_are_refused(options: object) -> None:
    """With an example."""
    with pytest.raises(UsageError, match='"probe": true'):
        DoctorJobs(["true"]).start(options)


async def test_without_a_command_there_is_no_diagnosis() -> None:
    """A daemon of the Python API has none."""
    with pytest.raises(Problem, match="cannot run a diagnosis"):
        DoctorJobs().start({})
