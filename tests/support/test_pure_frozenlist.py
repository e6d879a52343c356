"""aiohttp is imported without the C extension of frozenlist."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from portmapper.support.pure_frozenlist import SWITCH, pure_frozenlist

AT_IMPORT = """
import sys
from portmapper.support.pure_frozenlist import pure_frozenlist
with pure_frozenlist():
    import aiohttp
from aiohttp import web
application = web.Application()
application.freeze()
print("frozenlist" in sys.modules, "frozenlist._frozenlist" in sys.modules)
"""


def test_aiohttp_is_imported_without_the_extension_and_works() -> None:
    """The extension loads libstdc++."""
    done = subprocess.run([sys.executable, "-c", AT_IMPORT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_the_variable_is_removed_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after an import that failed: programs that we start must not get it."""
    monkeypatch.delenv(SWITCH, raising=False)
    with pytest.raises(ImportError), pure_frozenlist():
        raise ImportError(os.environ[SWITCH])
    assert SWITCH not in os.environ


def test_a_variable_of_the_user_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one asks for the extension."""
    monkeypatch.setenv(SWITCH, "")
    with pure_frozenlist():
        assert os.environ[SWITCH] == ""
    assert os.environ[SWITCH] == ""
