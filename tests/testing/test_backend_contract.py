"""The backend contract detects a faulty backend."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_backend_that_does_nothing_fails_the_contract(tmp_path: Path) -> None:
    """The failure names the reason."""
    (tmp_path / "test_it.py").write_text(
        "import ipaddress, pytest\n"
        "from portmapper.api.backend import Target\n"
        "from portmapper.testing import BackendContract, BackendSubject, FakeBackend\n"
        "class TestIt(BackendContract):\n"
        "    @pytest.fixture\n"
        "    def subject(self):\n"
        "        here = Target(ipaddress.ip_address('127.0.0.1'))\n"
        "        return BackendSubject(FakeBackend('it'), here, set, lambda: None, lambda: None)\n"
    )
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-k",
            "is_opened or rank",
            str(tmp_path),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "the backend finds no gateway at the subject's target" in answer.stdout
