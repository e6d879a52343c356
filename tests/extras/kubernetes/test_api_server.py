"""The connection to the API server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from portmapper_kubernetes.api_errors import ApiFailure
from portmapper_kubernetes.api_server import ApiServer, load_config

from portmapper.api import UsageError

from .conftest import SERVICES, FakeApi, answer, stream


async def test_a_rotated_token_is_read_again(api: FakeApi, server: ApiServer, tmp_path: Path) -> None:
    """Tokens of pods are replaced every hour."""
    await server.request("GET", SERVICES)
    api.token = "rotated"
    (tmp_path / "token").write_text("rotated")
    await server.request("GET", SERVICES)


@pytest.mark.parametrize("lines", ["", "[1]", "no json", '{"a":', "[" * 100_000])
async def test_an_invalid_answer_is_one_line(api: FakeApi, server: ApiServer, lines: str) -> None:
    """Without a Python type name."""
    api.fail(SERVICES, stream(lines))
    with pytest.raises(ApiFailure) as caught:
        await server.request("GET", SERVICES)
    assert "\n" not in str(caught.value)
    assert "Error" not in str(caught.value)


async def test_a_refusal_has_the_servers_reason(api: FakeApi, server: ApiServer) -> None:
    """It is quoted, because a proxy may have written it."""
    api.fail(SERVICES, answer(403, "services is forbidden\nfor you"))
    with pytest.raises(ApiFailure, match="forbidden") as caught:
        await server.request("GET", SERVICES)
    assert caught.value.status == 403
    assert "\n" not in str(caught.value)


async def test_a_server_that_hangs_is_given_up(api: FakeApi, server: ApiServer) -> None:
    """The caller chooses the limit."""

    async def hang(_: object) -> Any:
        await asyncio.sleep(60)

    api.fail(SERVICES, hang)
    with pytest.raises(ApiFailure, match="does not answer"):
        await server.request("GET", SERVICES, limit=0.05)


async def test_a_server_that_is_down_is_reported(server: ApiServer, kubeconfig: Path) -> None:
    """Nothing listens on the port."""
    text = kubeconfig.read_text()
    config = json.loads(text)
    config["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    kubeconfig.write_text(json.dumps(config))
    down = ApiServer(load_config(kubeconfig))
    with pytest.raises(ApiFailure, match="no valid answer"):
        await down.request("GET", SERVICES)
    await down.close()


@pytest.mark.parametrize("text", ["", "[]", "{", "a: [", '{"current-context":"x"}', '{"clusters":5}'])
def test_an_invalid_kubeconfig_is_a_usage_error(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(UsageError, match="kubeconfig") as caught:
        load_config(path)
    assert "\n" not in str(caught.value)
    assert "Error" not in str(caught.value)
