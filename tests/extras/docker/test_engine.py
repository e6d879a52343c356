"""The engine's socket, and the names and labels of containers."""

from __future__ import annotations

import pytest
from portmapper_docker.engine import name_and_labels
from portmapper_docker.source import DockerSource

from portmapper.api.errors import SourceError


@pytest.mark.parametrize(
    ("location", "host", "reason"),
    [
        ("docker:///nowhere/engine.sock", "", "no such socket"),
        ("docker:///dev/null", "", "is not a socket"),
        ("docker://engine/x", "", "write docker: or"),
        ("docker:", "tcp://192.168.88.9:2375", "without TLS: set DOCKER_TLS_VERIFY=1"),
        ("docker:", "tcp://engine.lan", "without TLS"),
        ("docker:", "tcp://127.0.0.1:99999", "write tcp://HOST:PORT"),
        ("docker:", "tcp://", "write tcp://HOST:PORT"),
        ("docker:", "ssh://me@nas.lan", "ssh is not supported: forward the socket"),
        ("docker:", "npipe:////./pipe/docker", "write unix:///PATH or tcp://HOST:PORT"),
        ("docker:", "unix:///nowhere.sock", "/nowhere.sock: no such socket"),
    ],
)
async def test_a_location_without_an_engine_is_an_error(
    monkeypatch: pytest.MonkeyPatch, location: str, host: str, reason: str
) -> None:
    """The check comes before any request."""
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(SourceError, match=reason):
        await DockerSource(location).fetch()


def test_a_container_without_a_name_is_shown_by_its_id() -> None:
    """The id is shortened, as in `docker ps`."""
    container = {"Names": None, "Id": "ab" * 32, "Labels": None}
    assert name_and_labels(container) == ("abababababab", {})


def test_an_invalid_name_is_quoted() -> None:
    """It must neither reach the terminal unescaped nor act as a placeholder."""
    name, labels = name_and_labels({"Names": ["/{}\x1b[2J"], "Labels": {"a": "b", "c": 5}})
    assert name == r"'/??\x1b[2J'"
    assert labels == {"a": "b"}
