"""The reason of a failure, in words."""

from __future__ import annotations

import errno
import os

import pytest

from portmapper.support.reasons import plain_reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error"),
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), "Permission denied: /etc/x"),
        (OSError("no route"), "no route"),
        (OSError(), "a system call failed"),
        (TimeoutError(), "no answer in time"),
        (MemoryError(), "no memory left"),
    ],
)
def test_an_error_of_the_system_is_a_plain_reason(error: BaseException, reason: str) -> None:
    """It names no Python type."""
    assert plain_reason(error) == reason


def test_a_bug_names_its_type() -> None:
    """Its report needs it."""
    assert plain_reason(KeyError("x")) == "KeyError: 'x'"
