"""Retained messages on a real broker, Debian's mosquitto."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import attrs
import pytest
from portmapper_mqtt.observer import MqttObserver

from portmapper.api.events import Event, EventKind
from portmapper.api.model import Family, Protocol

pytestmark = pytest.mark.lab

FOUND = Event(datetime.now(UTC), EventKind.GATEWAY_FOUND, backend="pcp", gateway="192.168.1.1")
OPENED = Event(
    at=datetime.now(UTC),
    kind=EventKind.OPENED,
    protocol=Protocol.TCP,
    family=Family.IPV4,
    internal_port=80,
    wanted_external_port=8080,
    external_address=ipaddress.ip_address("203.0.113.7"),
    external_port=8080,
    backend="pcp",
    comment="web",
)
CONFIG = "homeassistant/sensor/portmapper_my_host/{sensor}/config"
ADDRESS = {CONFIG.format(sensor="external_address"), "portmapper/my_host/external_address"}
MAPPING = "tcp_ipv4_8080_80"


class Mosquitto:
    """A broker that can be stopped and restarted on the same port."""

    def __init__(self, place: Path, port: int, password: bool) -> None:
        self.port = port
        self.login = {"username": "user", "password": "pass word"} if password else {}
        self._configuration = place / "mosquitto.conf"
        lines = [
            f"listener {port} 127.0.0.1",
            f"allow_anonymous {'false' if password else 'true'}",
            "user root",
        ]
        if password:
            secrets = place / "passwords"
            words = ["mosquitto_passwd", "-b", "-c", str(secrets), "user", "pass word"]
            subprocess.run(words, check=True, capture_output=True)
            lines.append(f"password_file {secrets}")
        self._configuration.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the broker without earlier messages."""
        words = ["mosquitto", "-c", str(self._configuration)]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self) -> None:
        """Kill the broker, as in a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(params=[False, True], ids=["open", "password"])
def broker(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Mosquitto]:
    """A broker, set in the environment variables."""
    if shutil.which("mosquitto") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("needs the Debian package mosquitto")
        pytest.skip("needs the Debian package mosquitto")
    broker = Mosquitto(tmp_path, free_port(), request.param)
    monkeypatch.setenv("PORTMAPPER_MQTT_URL", f"mqtt://127.0.0.1:{broker.port}")
    for name, value in broker.login.items():
        monkeypatch.setenv(f"PORTMAPPER_MQTT_{name[:4].upper() if name == 'username' else 'PASSWORD'}", value)
    monkeypatch.setattr("socket.gethostname", lambda: "my.host")
    broker.start()
    yield broker
    broker.end()


@pytest.fixture
async def observer() -> AsyncIterator[MqttObserver]:
    """The observer after its first event, a found gateway."""
    observer = MqttObserver()
    await observer.observe(FOUND)
    yield observer
    await observer.close()


async def retained(broker: Mosquitto) -> dict[str, str]:
    """Return all retained messages of the broker."""
    found: dict[str, str] = {}
    try:
        async with aiomqtt.Client("127.0.0.1", broker.port, **broker.login) as client:
            await client.subscribe("#", qos=1)
            # The broker sends retained messages before later ones.
            await client.publish("end", "x", qos=1)
            async for message in client.messages:
                if message.topic.value == "end":
                    break
                found[message.topic.value] = bytes(message.payload).decode()
    except aiomqtt.MqttError:
        return {}
    return found


async def until(broker: Mosquitto, condition: Callable[[dict[str, str]], object]) -> dict[str, str]:
    """Wait until the retained messages meet a condition."""
    async with asyncio.timeout(60):
        while not condition(found := await retained(broker)):
            await asyncio.sleep(0.1)
    return found


def state(found: dict[str, str]) -> Any:
    """Return the mapping's state document, empty if there is none."""
    return json.loads(found.get("portmapper/my_host/tcp_ipv4_8080_80/state", "{}"))


def sensor(found: dict[str, str], name: str) -> tuple[str, Any]:
    """Return a sensor as Home Assistant shows it: its name, and its value."""
    config = json.loads(found[CONFIG.format(sensor=name)])
    value = re.fullmatch(r"{{ value_json\.(\w+) }}", config["value_template"])
    assert value is not None
    assert config["availability_topic"] == "portmapper/my_host/status"
    assert config["device"]["identifiers"] == ["portmapper_my_host"]
    assert config["unique_id"] == f"portmapper_my_host_{name}"
    return config["name"], json.loads(found[config["state_topic"]])[value[1]]


async def test_a_mapping_has_a_sensor_until_it_is_closed(broker: Mosquitto, observer: MqttObserver) -> None:
    """It belongs to one device, with a sensor of the external address, available while the daemon runs."""
    await observer.observe(OPENED)
    found = await until(broker, lambda kept: state(kept).get("state") == "open")
    assert found["portmapper/my_host/status"] == "online"
    assert state(found)["external_port"] == 8080
    assert sensor(found, MAPPING) == ("web 8080/tcp", "open")
    assert sensor(found, "external_address") == ("External address", "203.0.113.7")
    assert len(found) == 5
    await observer.observe(attrs.evolve(OPENED, kind=EventKind.FAILED, detail="denied"))
    found = await until(broker, lambda kept: state(kept).get("state") == "failed")
    assert state(found)["external_port"] is None
    await observer.observe(attrs.evolve(OPENED, kind=EventKind.CLOSED))
    await until(broker, lambda kept: set(kept) == {*ADDRESS, "portmapper/my_host/status"})
    await observer.close()
    await until(broker, lambda kept: kept.get("portmapper/my_host/status") == "offline")


async def test_a_restarted_broker_gets_everything_again(broker: Mosquitto, observer: MqttObserver) -> None:
    """This includes changes during the outage."""
    await observer.observe(OPENED)
    await until(broker, lambda kept: state(kept).get("state") == "open")
    broker.end()
    await observer.observe(attrs.evolve(OPENED, kind=EventKind.EXTERNAL_PORT_CHANGED, external_port=9999))
    broker.start()
    found = await until(broker, lambda kept: state(kept).get("external_port") == 9999)
    assert len(found) == 5


@pytest.mark.parametrize("broker", [True], indirect=True, ids=["password"])
async def test_a_wrong_password_is_logged_once(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The observer keeps trying."""
    monkeypatch.setenv("PORTMAPPER_MQTT_PASSWORD", "wrong")
    monkeypatch.setattr("portmapper_mqtt.observer._FIRST_DELAY", 0.05)
    observer = MqttObserver()
    await observer.observe(FOUND)
    async with asyncio.timeout(60):
        while not any("no connection" in text for text in caplog.messages):
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    await observer.close()
    refusals = [text for text in caplog.messages if "ot authori" in text]
    assert len(refusals) == 1
