"""schemathesis finds no answer of the API that `/v1/openapi.json` does not describe, and no status 500."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LIMIT = 500

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "use_after_free",
    "ignored_auth",
)
"""All but `positive_data_acceptance`: a policy or a gateway may refuse a port that the schema allows."""


@pytest.mark.api
@pytest.mark.timeout(LIMIT)
def test_every_answer_is_described(
    program: Any, gateway: Any, ports: Path, free_port: Callable[[], int], tmp_path: Path
) -> None:
    """Of a real daemon with a gateway in software; the stream of events never ends, so it is excluded."""
    tool = Path(sys.executable).with_name("schemathesis")
    assert tool.exists() or shutil.which("schemathesis"), "install the dependency group `api`"
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with program.running("run", *gateway.options, "--http", f"127.0.0.1:{port}", str(ports)) as daemon:
        daemon.logs("opened 8080/tcp")
        token = program.run("web", "token").output.strip()
        done = subprocess.run(
            [
                *(str(tool), "run", f"{address}/v1/openapi.json", "--wait-for-schema", "20", "--seed", "1"),
                *("--header", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS)),
                *("--exclude-path", "/v1/events", "--max-examples", "25", "--request-timeout", "30"),
            ],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        assert program.run("status").status == 0
