"""portmapper's own sources and formats pass the contracts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portmapper.api.source import MAX_DOCUMENT
from portmapper.testing import FormatContract, FormatSubject, SourceContract, SourceSubject
from portmapper_files.csv_format import CsvFormat
from portmapper_files.file import FileSource
from portmapper_files.json_format import JsonFormat
from portmapper_files.toml_format import TomlFormat
from portmapper_http.source import HttpSource

LIST = b"port;protocol;duration;comment\n80;TCP;60;web\n"


class TestFile(SourceContract):
    """The source `file`."""

    @pytest.fixture
    def subject(self, tmp_path: Path) -> SourceSubject:
        """A file that can be removed and can grow."""
        path = tmp_path / "ports.csv"
        path.write_bytes(LIST)

        def flood() -> None:
            with path.open("ab") as file:
                file.truncate(MAX_DOCUMENT + 1)

        return SourceSubject(FileSource(str(path)), LIST, fail=path.unlink, flood=flood)


class WebServer:
    """Serves the list; `answer` is its behavior: `list`, `error`, `nothing` or `too much`."""

    answer = "list"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.answer == "nothing":
            await reader.read()
            return
        status = "500 Broken" if self.answer == "error" else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/csv\r\n\r\n".encode())
        writer.write(LIST)
        for _ in range(MAX_DOCUMENT // 65_536 + 1 if self.answer == "too much" else 0):
            writer.write(bytes(65_536))
            await writer.drain()
        await writer.drain()


class TestHttp(SourceContract):
    """The source `http`."""

    @pytest.fixture
    async def subject(self) -> AsyncIterator[SourceSubject]:
        """A web server that can fail, stall and send too much."""
        web = WebServer()
        server = await asyncio.start_server(web.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ports.csv"
        yield SourceSubject(
            HttpSource(url),
            LIST,
            fail=lambda: setattr(web, "answer", "error"),
            stall=lambda: setattr(web, "answer", "nothing"),
            flood=lambda: setattr(web, "answer", "too much"),
        )
        server.close()
        await server.wait_closed()


class TestCsv(FormatContract):
    """The format `csv`."""

    @pytest.fixture
    def subject(self) -> FormatSubject:
        """A list in upnp-daemon's format."""
        return FormatSubject(
            CsvFormat(),
            document=LIST,
            rows=[{"port": "80", "protocol": "TCP", "duration": "60", "comment": "web"}],
            bad_row=LIST + b"http;TCP;60;wrong\n",
            bad_where="line 3",
            broken=b"\xff\xfe\x80",
        )


class TestJson(FormatContract):
    """The format `json`."""

    @pytest.fixture
    def subject(self) -> FormatSubject:
        """An array of objects."""
        return FormatSubject(
            JsonFormat(),
            document=b'[{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]',
            rows=[{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
            bad_row=b'[{"port": 80, "protocol": "TCP"}, {"port": 80.9, "protocol": "TCP"}]',
            bad_where="[1]",
            broken=b'[{"port": 80',
        )


class TestToml(FormatContract):
    """The format `toml`."""

    @pytest.fixture
    def subject(self) -> FormatSubject:
        """Tables with the name `mapping`."""
        return FormatSubject(
            TomlFormat(),
            document=b'[[mapping]]\nport = 80\nprotocol = "TCP"\n',
            rows=[{"port": 80, "protocol": "TCP"}],
            bad_row=b'[[mapping]]\nport = 80\nprotocol = "TCP"\n[[mapping]]\nport = true\nprotocol = "TCP"\n',
            bad_where="mapping[1]",
            broken=b"[[mapping",
        )
