"""Settings from environment variables, and the credentials file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from portmapper_routeros.backend import RouterOsBackend
from portmapper_routeros.settings import RouterOsTable

from portmapper.api.errors import BackendError, NotAuthorized

PREFIX = "PORTMAPPER_ROUTEROS_"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("URL", "http://127.0.0.1", "must be https"),
        ("URL", "https://a:b@127.0.0.1", "contains a user"),
        ("URL", "https://[", "not a URL"),
        ("FINGERPRINT", "zz", "64 hexadecimal"),
        ("CA", "/nowhere/ca.pem", "No such file"),
        ("CREDENTIALS", "/nowhere/secret", "cannot be read"),
        ("CREDENTIALS", "/dev/null", "not a regular file"),
        ("CREDENTIALS", "", "neither"),
        ("INTERFACE", "a\nb", "name of an interface"),
    ],
)
async def test_an_invalid_setting_is_an_error(
    router: Any,
    backend: Any,
    here: Any,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    reason: str,
    first: Any,
) -> None:
    """The error contains the name of the variable."""
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(BackendError, match=reason) as caught:
        await first(backend, here)
    assert f"{PREFIX}{name}" in str(caught.value)


async def test_credentials_readable_by_others_are_rejected(
    router: Any, backend: Any, here: Any, tmp_path: Path, first: Any
) -> None:
    """The check comes before any request."""
    (tmp_path / "credentials").chmod(0o640)
    with pytest.raises(NotAuthorized, match="chmod 600"):
        await first(backend, here)
    assert router.requested == []


async def test_the_settings_file_names_the_router(
    router: Any, here: Any, monkeypatch: pytest.MonkeyPatch, first: Any
) -> None:
    """A message names the key that is invalid."""
    monkeypatch.delenv(f"{PREFIX}URL")
    backend = RouterOsBackend(settings=RouterOsTable(url="http://192.0.2.1"))
    with pytest.raises(BackendError, match=r"\[plugin\.routeros\] url must be https://HOST"):
        await first(backend, here)
