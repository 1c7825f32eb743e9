"""The blob endpoint as raw HTTP: what comes early, late, in pieces or not at all."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.azureml.tokens import Tokens
from local.config import LANDING_ACCOUNT, Cloud
from local.eventgrid.bearer import Bearer
from local.eventgrid.faults import Faults
from local.eventgrid.framing import Response
from local.eventgrid.journal import JournalError
from local.eventgrid.operations import Looked, Write
from local.eventgrid.relay import Relay
from local.eventgrid.storage import signed
from local.ports import free_base


class Notes:
    """A recorder that remembers."""

    accounts = frozenset({LANDING_ACCOUNT})

    def __init__(self) -> None:
        self.kept: list[Write] = []
        self.broken = False
        self.sizes: list[int] = []
        self.begun = self.ended = self.left = 0

    def event(self, write: Write, response: Response, found: Looked | None, size: int) -> Write:
        self.sizes.append(size)
        return write

    async def keep(self, event: Write) -> None:
        if self.broken:
            raise JournalError("the disk is full")
        self.kept.append(event)

    def begin(self, write: Write, *, existed: bool) -> int:
        self.begun += 1
        return self.begun

    def end(self, number: int) -> None:
        self.ended += 1

    def leave(self, number: int) -> None:
        self.left += 1


@pytest.fixture
async def notes() -> Notes:
    return Notes()


@pytest.fixture
async def port(storage_cloud: Cloud, notes: Notes) -> AsyncIterator[int]:
    async for found in _relay(storage_cloud.azurite_blob_port, notes):
        yield found


async def _relay(target: int, notes: Notes, bearer: Bearer | None = None) -> AsyncIterator[int]:
    relay = Relay(target, notes, Faults(), bearer)
    server = await asyncio.get_running_loop().create_server(relay.connection, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await relay.close()


def put(name: str, length: int, *more: str) -> bytes:
    path = f"/{LANDING_ACCOUNT}/landing/{name}"
    headers = signed("PUT", LANDING_ACCOUNT, path, None, {"x-ms-blob-type": "BlockBlob"}, length)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "".join(f"{one}\r\n" for one in more)
    return f"PUT {path} HTTP/1.1\r\nhost: example\r\ncontent-length: {length}\r\n{lines}\r\n".encode()


async def head_of(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        for line in head.lower().split("\r\n"):
            if line.startswith("content-length:") and " 100 " not in head:
                await reader.readexactly(int(line.partition(":")[2]))
        return head


async def test_a_request_in_single_bytes_and_two_at_once(port: int, notes: Notes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for at in (message := put("bytes", 3) + b"abc"):
        writer.write(bytes([at]))
        await asyncio.sleep(0)
    assert "201" in await head_of(reader)
    writer.write(message + message)
    assert "201" in await head_of(reader)
    assert "201" in await head_of(reader)
    assert len(notes.kept) == 3
    writer.close()


async def test_a_client_that_waits_for_100_continue_gets_it(port: int, notes: Notes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(put("continue", 4, "expect: 100-continue"))
    assert " 100 " in await head_of(reader)
    writer.write(b"body")
    assert " 201 " in await head_of(reader)
    assert len(notes.kept) == 1
    writer.close()


async def test_a_chunked_request_goes_on_as_it_came(port: int, notes: Notes) -> None:
    """Storage wants a Content-Length for a blob; that is for Azurite to say, and the connection goes on after it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/{LANDING_ACCOUNT}/landing/chunked"
    headers = signed("PUT", LANDING_ACCOUNT, path, None, {"x-ms-blob-type": "BlockBlob"})
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"PUT {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n{lines}\r\n".encode())
    for piece in (b"3\r\nabc\r", b"\n4\r\nde", b"fg\r\n0\r\n", b"\r\n"):
        writer.write(piece)
        await asyncio.sleep(0.01)
    assert " 400 " in await head_of(reader)
    writer.write(put("after", 3) + b"abc")
    assert " 201 " in await head_of(reader)
    assert notes.sizes == [3]
    writer.close()


async def test_an_answer_before_the_body_was_sent(port: int, notes: Notes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = put("forbidden", 100_000).replace(b"SharedKey", b"SharedKex")
    writer.write(head)
    writer.write(b"x" * 50_000)
    assert " 40" in await head_of(reader)
    assert notes.kept == []
    writer.close()


async def test_a_client_that_goes_in_the_middle_writes_nothing(port: int, notes: Notes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(put("half", 100) + b"x" * 50)
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.3)
    assert notes.kept == []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/{LANDING_ACCOUNT}/landing/half"
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed("HEAD", LANDING_ACCOUNT, path).items())
    writer.write(f"HEAD {path} HTTP/1.1\r\nhost: h\r\n{lines}\r\n".encode())
    assert " 404 " in (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.close()


async def test_a_client_that_goes_after_its_request_still_raises_the_event(port: int, notes: Notes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(put("gone", 4) + b"body")
    await writer.drain()
    writer.close()
    for _ in range(100):
        if notes.kept:
            break
        await asyncio.sleep(0.05)
    assert [one.blob for one in notes.kept] == ["gone"]


async def test_a_full_journal_is_an_error_that_clients_try_again(port: int, notes: Notes) -> None:
    notes.broken = True
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(put("unrecorded", 4) + b"body")
    assert " 503 " in await head_of(reader)
    writer.close()


async def test_a_full_disk_under_the_intents_is_told(port: int, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(write: Write, *, existed: bool) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(notes, "begin", full)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(put("no-space", 4) + b"body")
    assert " 503 " in await head_of(reader)
    writer.close()
    monkeypatch.undo()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(put("no-space", 4) + b"body")
    assert " 201 " in await head_of(reader), "the blob's turn was given back"
    writer.close()


async def test_without_azurite_the_answer_is_503(notes: Notes) -> None:
    async for port in _relay(free_base(1), notes):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(put("nobody", 4) + b"body")
        head = await head_of(reader)
        assert " 503 " in head
        assert "ServerBusy" in head
        writer.close()


async def test_what_is_no_http_is_refused(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x16\x03\x01 this is TLS\r\n\r\n")
    assert " 400 " in await head_of(reader)
    writer.close()


async def test_an_idle_connection_that_azurite_closed_is_used_again(port: int, storage_cloud: Cloud) -> None:
    """Azurite closes what is idle for 5 s; the client of the proxy does not notice."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(put("first", 1) + b"1")
    assert " 201 " in await head_of(reader)
    _close_upstreams(storage_cloud.azurite_blob_port)
    await asyncio.sleep(5.5)
    writer.write(put("second", 1) + b"1")
    assert " 201 " in await head_of(reader)
    writer.close()


def _close_upstreams(port: int) -> None:
    """Wake Azurite's timers, which close idle connections."""
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return


@pytest.mark.parametrize(
    ("audience", "answered"),
    [
        ("https://storage.azure.com/", 201),
        ("https://landing.blob.core.windows.net", 201),
        ("https://management.azure.com/", 401),
        ("a token of another cloud", 401),
        ("no token", 403),
    ],
)
@pytest.mark.parametrize("query", ["", "?resource=file"], ids=["blob", "data lake"])
async def test_a_token_of_this_cloud_for_storage_writes_and_no_other(
    storage_cloud: Cloud, notes: Notes, tmp_path: Path, audience: str, answered: int, query: str
) -> None:
    issuer = Cloud(storage_cloud.port_base, tmp_path) if " " in audience else storage_cloud
    token = Tokens(issuer).issue("https://storage.azure.com/" if " " in audience else audience)[0]
    lines = "x-ms-blob-type: BlockBlob\r\nx-ms-version: 2023-11-03\r\n"
    lines += "" if audience == "no token" else f"Authorization: Bearer {token}\r\n"
    async for port in _relay(storage_cloud.azurite_blob_port, notes, Bearer(storage_cloud)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        path = f"/{LANDING_ACCOUNT}/landing/by token"
        target = f"{path.replace(' ', '%20')}{query}"
        length = 0 if query else 3
        writer.write(f"PUT {target} HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n{lines}\r\n".encode())
        writer.write(b"abc"[:length])
        head = await head_of(reader)
        writer.close()

    assert f" {answered} " in head
    assert ("www-authenticate: bearer" in head.lower()) == (answered == 401)
    assert [write.blob for write in notes.kept] == (["by token"] if answered == 201 else [])
