"""Fixtures with a real etcd."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from etcd_server import Server


@pytest.fixture
def etcd(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Server]:
    """A new etcd; in CI, a missing one is a failure."""
    if shutil.which("etcd") is None:
        message = "needs etcd (Debian: etcd-server)"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    server = Server(tmp_path, free_port(), free_port())
    server.start()
    yield server
    server.stop()
