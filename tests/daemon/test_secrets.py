"""A real daemon reads lists from a hostile server, calls webhooks, and shows no secret anywhere."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

Page = Callable[[http.server.BaseHTTPRequestHandler], bytes]


def answer(status: str, body: str = "", **headers: str) -> Page:
    """Return a page that sends this answer."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{lines}\r\n"
    return lambda _: (head + body).encode()


def redirect(location: str) -> Page:
    """Return a page that redirects."""
    return answer("302 Found", Location=location)


def echo(request: http.server.BaseHTTPRequestHandler) -> bytes:
    """Send back what the request contained, as careless servers do."""
    sent = f"{request.path} {request.headers.get('Authorization')} {request.headers.get('X-List-Key')}"
    return answer(f"403 no access for {sent}", X_Sent=sent)(request)


@attrs.define
class Secrets:
    """Makes secrets, and finds them in texts.

    Attributes:
        made: what each secret is, by its text.
    """

    made: dict[str, str] = attrs.field(factory=dict)

    def new(self, what: str, form: str) -> str:
        """Return a secret; `#` becomes letters that no other secret has."""
        text = form.replace("#", "".join(chr(97 + int(digit)) for digit in str(len(self.made) + 1000)))
        self.made[text] = what
        return text

    def user(self, what: str) -> str:
        """Return user information: the user name is a secret, too."""
        return f"{self.new(f'user of {what}', 'merl#')}:{self.new(f'password of {what}', 'swordf#sh')}"

    def found_in(self, place: str, text: str) -> set[tuple[str, str]]:
        """Return what was found, with its place."""
        return {(place, what) for secret, what in self.made.items() if secret in text}


class Server:
    """A server whose pages a test chooses.

    Attributes:
        pages: by their paths; a page also answers to paths below it.
        bodies: what clients sent.
    """

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.bodies: list[str] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
                path = self.path.partition("?")[0]
                known = [page for place, page in server.pages.items() if path.startswith(place)]
                self.wfile.write((known or [answer("404 Not Found")])[0](self))
                self.close_connection = True

            do_POST = do_GET  # noqa: N815 (the name that http.server calls)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Log nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.host = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on loopback."""
    server = Server()
    yield server
    server.close()


def hostile_pages(secrets: Secrets) -> dict[str, Page]:
    """Return answers that contain secrets where a message may repeat them."""
    new, user = secrets.new, secrets.user
    elsewhere = (
        f"{user('redirect')}@h.example/{new('path of redirect', 'Ab12Cd34#')}?k={new('query', 'quer#')}"
    )
    rows = [
        f"http://{user('URL in a row')}@h.example;TCP;;",
        f"password={new('named value in a row', 'plain#word')};TCP;;",
        f"8083;Bearer {new('bearer in a row', 'bear#er')};;",
        f"8084;TCP;token: {new('token in a row', 'tok#en')};",
        f"8085;TCP;https:{user('URL without slashes in a row')}@h.example/x;",
    ]
    odd_row = {
        "port": f"secret={new('value in JSON', 'jso#n')}",
        f"api_key={new('key in JSON', 'jk#ey')}": 1,
    }
    header = f"http://{user('URL as header')}@h/x;password={new('value in a header', 'hdr#x')}"
    return {
        "/echo": echo,
        "/absolute": redirect(f"ftp://{elsewhere}"),
        "/relative": redirect(
            f"/relative/{new('relative path', 'Qw98Er76#')}?sig={new('relative query', 'sg#x')}"
        ),
        "/no-slashes": redirect(f"https:{elsewhere}"),
        "/no-scheme": redirect(f"//{user('redirect without a scheme')}@127.0.0.1:1/x"),
        "/script": redirect(f"javascript:{new('script', 'jav#script')}"),
        "/bracket": redirect(f"http://[{new('invalid host', 'bad#br')}/?{new('its query', 'bq#q')}"),
        "/garbage": lambda _: f"HTTP/1.1 2x {new('garbage', 'garb#ge')}\r\n\r\n".encode(),
        "/rows.csv": answer("200 OK", "port;protocol;address;comment\n" + "\n".join(rows)),
        "/header.csv": answer("200 OK", f"{header}\n1;2\n"),
        "/list.json": answer("200 OK", json.dumps([odd_row]), Content_Type="application/json"),
        "/broken.json": answer("200 OK", f'{{"token": "{new("value in broken JSON", "brk#n")}", x'),
    }


def lists(secrets: Secrets, server: Server, directory: Path) -> list[str]:
    """Return tables `[[source]]` for all pages, with secrets in each part of their URLs."""
    new, user = secrets.new, secrets.user
    server.pages.update(hostile_pages(secrets))
    server.pages["/good"] = answer("200 OK", "port;protocol\n8080;TCP\n")
    key, token = new("header", "hdr#key"), new("authorization", "bear#er")
    (directory / "headers").write_text(f"Authorization: Bearer {token}\nX-List-Key: {key}\n")
    query = f"list={new('query', 'home#plan')}&token={new('token in a query', 'q#k')}"
    urls = [
        f"http://{user(path)}@{server.host}{path}?{query}"
        for path in [*server.pages, f"/good/{new('token in a path', 'Zx81Qm44Lr0p#')}/a.csv"]
    ]
    secret_path = f"{new('its path', 'Rt45Yu67#')}?key={new('its key', 'ns#q')}"
    urls += [
        f"https:{user('URL without slashes')}@h.example/{secret_path}",
        f"http:/{user('URL with one slash')}@h.example/x",
        f"http://{user('refused')}@127.0.0.1:1/{new('path of refused', 'Rt45Yu67#')}",
        f"http://proxied.example/{new('path over a proxy', 'Ty34Ui56#')}",
        f"http://{user('invalid')}@[::1/x",
        f"http://{user('invalid port')}@127.0.0.1:99999/x",
        f"http://{user('slash in the password')}/x@h.example:1/x",
    ]
    return [f'[[source]]\nlocation = {json.dumps(url)}\nheaders_file = "headers"\n' for url in urls]


def webhooks(secrets: Secrets, server: Server) -> list[str]:
    """Return tables `[[webhook]]` whose servers answer with what they were sent."""
    new, user = secrets.new, secrets.user
    server.pages["/refusing"] = echo
    server.pages["/garbled"] = lambda request: f"garbage {request.path}\r\n\r\n".encode()
    ends = f"{new('path of a webhook', 'Bn34Mk56#')}?k={new('query of a webhook', 'wq#')}"
    key, header = new("key", "sign#ing"), new("header of a webhook", "whb#er")
    return [
        f'[[webhook]]\non = ["opened", "failed", "closed"]\nattempts = 1\nsecret = "{key}"\n'
        f'url = "http://{user(path)}@{server.host}{path}/{ends}"\nheaders = {{X-List-Key = "{header}"}}\n'
        for path in ("/refusing", "/garbled")
    ]


def settings_text(secrets: Secrets, server: Server, directory: Path, form: str) -> str:
    """Return settings with all lists and webhooks."""
    log = f'[log]\nlevel = "debug"\nformat = "{form}"\n'
    return log + "\n".join([*lists(secrets, server, directory), *webhooks(secrets, server)])


def reached(gateway: Any, running: Any) -> None:
    """Wait until a port is open, and both webhooks have failed."""
    running.until(lambda: gateway.ports() == {8080}, "open")
    running.until(lambda: running.log.count("webhook at 127.0.0.1 on opened") == 2, "refused by webhooks")


def test_no_secret_is_shown(
    program: Any, gateway: Any, server: Server, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """Not in the log, in any command, in the report, in the store, in webhooks, metrics or the web page."""
    secrets, metrics, web = Secrets(), free_port(), free_port()
    program.environment |= {
        "http_proxy": f"http://{secrets.user('proxy')}@127.0.0.1:1",
        "no_proxy": "127.0.0.1,h.example",
    }
    settings, report = tmp_path / "portmapper.toml", tmp_path / "report.txt"
    listeners = f'\n[metrics]\nlisten = "127.0.0.1:{metrics}"\n[http]\nlisten = "127.0.0.1:{web}"\n'
    settings.write_text(settings_text(secrets, server, tmp_path, "text") + listeners)
    found: set[tuple[str, str]] = set()
    with program.running("run", "--config", str(settings), *gateway.options, "-n", "1") as running:
        reached(gateway, running)
        words = ("--no-probe", "--config", str(settings), "--report", str(report))
        for command in (("status",), ("status", "--json"), ("history",), ("reload",), ("doctor", *words)):
            finished = program.run(*command)
            assert "Traceback" not in finished.errors
            found |= secrets.found_in(command[0], finished.output + finished.errors)
        for page in (f"{metrics}/metrics", f"{web}/v1/status", f"{web}/v1/history", f"{web}/"):
            with urllib.request.urlopen(f"http://127.0.0.1:{page}", timeout=60) as reply:
                found |= secrets.found_in(page, reply.read().decode())
    found |= secrets.found_in("log", running.log) | secrets.found_in("report", report.read_text())
    for file in program.state.glob("*"):
        if file.is_file():
            found |= secrets.found_in(file.name, file.read_bytes().decode("latin-1"))
    assert any("8080" in body for body in server.bodies)
    found |= secrets.found_in("webhooks", "".join(server.bodies))
    assert found == set()


def test_the_log_as_json_shows_no_secret(program: Any, gateway: Any, server: Server, tmp_path: Path) -> None:
    """Neither in messages nor in tracebacks."""
    secrets, settings = Secrets(), tmp_path / "portmapper.toml"
    settings.write_text(settings_text(secrets, server, tmp_path, "json"))
    with program.running("run", "--config", str(settings), *gateway.options) as running:
        reached(gateway, running)
    assert secrets.found_in("log", running.log) == set()


def test_check_shows_no_secret(program: Any, server: Server, tmp_path: Path) -> None:
    """Each list alone, because `check` ends with the first that cannot be read."""
    secrets = Secrets()
    found = set()
    settings = tmp_path / "portmapper.toml"
    tables = lists(secrets, server, tmp_path)
    readable = [table for table in tables if "/rows.csv" in table or "list.json" in table]
    for text, options in ((tables[0], ()), ("\n".join(readable), ()), ("\n".join(readable), ("--json",))):
        settings.write_text(text)
        finished = program.run("check", "--config", str(settings), *options)
        found |= secrets.found_in(text[:60], finished.output + finished.errors)
    assert found == set()


@pytest.mark.parametrize(
    "line",
    [
        'sources = "http://u:{}@h/"',
        '[log]\nlevel = "Bearer {}"',
        '[[webhook]]\non = "password={}"\nurl = "http://h/"',
        '[[webhook]]\non = "opened"\nurl = "https:u:{}@h"',
        '[[source]]\nlocation = "http://h/"\nkeep_share = "token={}"',
        '[[source]]\n"http://u:{}@h/" = 1',
        'gateway = ["http://u:{}@h/?q=1"]',
        '[probe]\nurl = "ftp://u:{}@h/"',
        'interval = "api_key={}"',
    ],
)
def test_errors_in_settings_show_no_secret(program: Any, tmp_path: Path, line: str) -> None:
    """The message quotes what is wrong."""
    settings = tmp_path / "portmapper.toml"
    settings.write_text(line.format("hunt3rtwo"))
    finished = program.run("check", "--config", str(settings))
    assert finished.status != 0
    assert "hunt3rtwo" not in finished.output + finished.errors
