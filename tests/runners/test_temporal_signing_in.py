"""Who comes to a Temporal server shows who it is. The development server knows no TLS, so that ends in front of it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import hpack
import pytest
from temporalio.api.workflowservice.v1 import ListNamespacesRequest

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.execution.dev_servers import temporal_server
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.temporal.config import TemporalConfig
from pytest_selfopt.runners.temporal.connection import connect
from tests.certificates import Authority
from tests.servers import free_port, started

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, CONTINUATION = 1, 9
PADDED, PRIORITY = 0x8, 0x20


class Headers:
    """Reads the headers that a client of HTTP/2 sends."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self._buffer = b""
        self._decoder = hpack.Decoder()

    def take(self, data: bytes) -> None:
        self._buffer = (self._buffer + data).removeprefix(PREFACE)
        while len(self._buffer) >= 9:
            size, kind, flags = int.from_bytes(self._buffer[:3]), self._buffer[3], self._buffer[4]
            if len(self._buffer) < 9 + size:
                return
            block, self._buffer = self._buffer[9 : 9 + size], self._buffer[9 + size :]
            assert kind != CONTINUATION
            assert not (kind == HEADERS and flags & PADDED)
            if kind == HEADERS:
                block = block[5:] if flags & PRIORITY else block
                self.seen += [(str(name), str(value)) for name, value in self._decoder.decode(block)]


class Front:
    """Ends TLS in front of a server, on a thread of its own; it asks for certificates if it is to."""

    def __init__(self, authority: Authority, behind: int, *, asks: bool) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert))
        self._context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
        self._context.set_alpn_protocols(["h2"])
        given = authority.give("server")
        self._context.load_cert_chain(given.cert, given.key)
        self._behind = behind
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.port = free_port()
        self.headers = Headers()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port, ssl=self._context)

    async def _end(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # the aborted transports close in the next turns of the loop

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        self.headers = Headers()

        async def there() -> None:
            while data := await reader.read(65_536):
                self.headers.take(data)
                back_writer.write(data)
            back_writer.close()

        async def back() -> None:
            while data := await back_reader.read(65_536):
                writer.write(data)
            writer.close()

        try:
            await asyncio.gather(there(), back())
        finally:
            writer.transport.abort()
            back_writer.transport.abort()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    server = temporal_server(tmp_path_factory.mktemp("temporal"), free_port())
    with started(server):
        yield server.port


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def use(port: int, environment: Mapping[str, str]) -> list[str]:
    """Come in with what the environment says, and ask for the namespaces."""

    async def scenario() -> list[str]:
        config = TemporalConfig().with_environment({"TEMPORAL_ADDRESS": f"127.0.0.1:{port}", **environment})
        client = await connect(config, Cipher(None), "test")
        told = await client.workflow_service.list_namespaces(ListNamespacesRequest(page_size=10))
        return [one.namespace_info.name for one in told.namespaces]

    return asyncio.run(scenario())


def test_tls_with_a_private_authority(port: int, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Front(authority, port, asks=False) as front:
        assert "default" in use(front.port, {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(authority.cert)})
        for environment in ({}, {"TEMPORAL_TLS": "true"}):
            with pytest.raises(RunnerError, match=f"no usable Temporal server at 127.0.0.1:{front.port}"):
                use(front.port, environment)
        other = Authority(tmp_path / "other")
        with pytest.raises(RunnerError, match=r"(?i)certificate"):
            use(front.port, {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(other.cert)})


def test_mutual_tls(port: int, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    mine, stranger = authority.give("client"), Authority(tmp_path / "other").give("stranger")
    known = {"TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(authority.cert)}

    def with_own(cert: Path, key: Path) -> dict[str, str]:
        return {**known, "TEMPORAL_TLS_CLIENT_CERT_PATH": str(cert), "TEMPORAL_TLS_CLIENT_KEY_PATH": str(key)}

    with Front(authority, port, asks=True) as front:
        assert "default" in use(front.port, with_own(mine.cert, mine.key))
        for environment in (known, with_own(stranger.cert, stranger.key)):
            with pytest.raises(RunnerError, match="no usable Temporal server"):
                use(front.port, environment)


def test_an_api_key_goes_over_tls(port: int, authority: Authority) -> None:
    key = {"TEMPORAL_API_KEY": "key-1234567890", "TEMPORAL_NAMESPACE": "default"}
    with Front(authority, port, asks=False) as front:
        assert "default" in use(front.port, {**key, "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(authority.cert)})
        assert ("authorization", "Bearer key-1234567890") in front.headers.seen
        questions = [value for name, value in front.headers.seen if name == ":path"]
        assert len(questions) == sum(name == "authorization" for name, _ in front.headers.seen) > 0
    with pytest.raises(RunnerError, match="no usable Temporal server"):
        use(port, key)
