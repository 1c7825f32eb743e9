"""What the blob endpoint costs: the same requests to it and to bare Azurite behind it, turn by turn.

`figures()` starts both by itself; `measure(cloud)` uses those of a running cloud. The clients are plain
sockets, so that they cost little; small writes raise their events, which go to a queue as in the real cloud.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import aiohttp
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from bench.figures import Figure
from local import azurite
from local.config import AZURITE_KEY, HUB_ACCOUNT, LANDING_ACCOUNT, Cloud
from local.ports import free_base, is_free
from local.process import spawn, stop
from local.provision import provision

CLIENTS: Final = 8
SHARE: Final = 0.8
"""What the blob endpoint should reach of bare Azurite."""
ROUNDS: Final = 7
SMALL: Final = 160
"""Requests of a round: few, so that both meet the same moments of a machine that others use too."""
LARGE: Final = 32 * 1024 * 1024
_TIMEOUT: Final = 120.0


def figures() -> Iterator[Figure]:
    """Start Azurite with Event Grid before it, and measure both."""
    with running() as cloud:
        yield from asyncio.run(measure(cloud))


async def measure(cloud: Cloud, rounds: int = ROUNDS) -> list[Figure]:
    """Measure a running cloud, whose landing container gets small blobs; the median of the rounds counts."""
    quiet, loud = _target(HUB_ACCOUNT, "hub-dead-letters"), _target(LANDING_ACCOUNT, "landing")
    work: list[tuple[str, Callable[[int, str], Awaitable[float]]]] = [
        ("small writes, one client", lambda port, name: _small(port, quiet, f"{name}/a", 1, write=True)),
        ("small writes", lambda port, name: _small(port, quiet, f"{name}/b", CLIENTS, write=True)),
        ("small writes that raise events", lambda port, name: _small(port, loud, f"{name}/b", CLIENTS, write=True)),
        ("small reads", lambda port, name: _small(port, loud, f"{name}/b", CLIENTS, write=False)),
        ("large writes in MB/s", lambda port, name: _large(port, quiet, name, write=True)),
        ("large reads in MB/s", lambda port, name: _large(port, quiet, name, write=False)),
    ]
    found = []
    for name, run in work:
        figures: dict[int, list[float]] = {cloud.azurite_blob_port: [], cloud.blob_port: []}
        for number in range(rounds + 1):
            for port in sorted(figures, reverse=bool(number % 2)):
                rate = await run(port, f"bench/{port}/{number}")
                if number:  # the first round only warms up
                    figures[port].append(rate)
                await _delivered(cloud)
        what, _, unit = name.partition(" in ")
        bare, proxy = (statistics.median(figures[port]) for port in (cloud.azurite_blob_port, cloud.blob_port))
        found.append(Figure(f"blob endpoint: {what}", proxy, unit or "/s", "bare Azurite", bare, least=SHARE))
    return found


async def _delivered(cloud: Cloud) -> None:
    """Wait until no event waits for its delivery: it would cost the next round."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT)) as session:
        while True:
            async with session.get(f"http://127.0.0.1:{cloud.eventgrid_port}/control/state?last=1") as answer:
                state = await answer.json()
            if not any(one["waiting"] for one in state["subscriptions"]):
                return
            await asyncio.sleep(0.1)


def _target(account: str, container: str) -> str:
    """Give the path of a blob, to be filled in, with a signature that allows everything."""
    sas = generate_account_sas(
        account,
        AZURITE_KEY,
        ResourceTypes(object=True),
        AccountSasPermissions(read=True, write=True, create=True, delete=True),
        datetime.now(UTC) + timedelta(hours=1),
    )
    return f"/{account}/{container}/{{}}?{sas}"


async def _small(port: int, path: str, name: str, clients: int, *, write: bool) -> float:
    each = SMALL // clients

    async def client(which: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(each):
            body = b"x" * 1000 if write else b""
            target = path.format(f"{name}/{which}-{number}")
            await _request(reader, writer, "PUT" if write else "GET", target, body)
        writer.close()

    began = time.perf_counter()
    async with asyncio.timeout(_TIMEOUT):
        await asyncio.gather(*(client(number) for number in range(clients)))
    return each * clients / (time.perf_counter() - began)


async def _large(port: int, path: str, name: str, *, write: bool) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024 * 1024)
    began = time.perf_counter()
    async with asyncio.timeout(_TIMEOUT):
        target = path.format(f"{name}/large")
        await _request(reader, writer, "PUT" if write else "GET", target, bytes(LARGE) if write else b"")
    writer.close()
    return LARGE / 1e6 / (time.perf_counter() - began)


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, target: str, body: bytes
) -> None:
    extra = f"x-ms-blob-type: BlockBlob\r\ncontent-length: {len(body)}\r\n" if method == "PUT" else ""
    writer.write(f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-ms-version: 2021-12-02\r\n{extra}\r\n".encode())
    writer.write(body)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    if status not in {200, 201, 206}:
        raise RuntimeError(f"{method} {target.partition('?')[0]} was answered {status}")
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
        return
    left = int(head.partition("content-length:")[2].split("\r\n", 1)[0] or 0)
    while left:
        piece = await reader.read(min(left, 1024 * 1024))
        left -= len(piece)


@contextmanager
def running() -> Iterator[Cloud]:
    """Start Azurite and Event Grid with the subscriptions of the project, on free ports, in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="bench-proxy-"))
    cloud = Cloud(free_base(30), folder)
    command = azurite.command(
        folder / "azurite", blob=cloud.azurite_blob_port, queue=cloud.queue_port, table=cloud.table_port
    )
    environ = {**azurite.environment(), "HUB_PORT_BASE": str(cloud.port_base), "HUB_LOCAL_DIR": str(folder)}
    started = [spawn(command, log=folder / "azurite.log", environ=environ)]
    try:
        _wait(cloud.azurite_blob_port, folder / "azurite.log")
        _wait(cloud.queue_port, folder / "azurite.log")
        provision(cloud)
        program = [sys.executable, "-m", "local.eventgrid"]
        started.append(spawn(program, log=folder / "eventgrid.log", environ=environ))
        _wait(cloud.eventgrid_port, folder / "eventgrid.log")
        yield cloud
    finally:
        for process in reversed(started):
            stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, log: Path) -> None:
    end = time.monotonic() + 30
    while is_free(port):
        if time.monotonic() > end:
            raise RuntimeError(f"nothing listens on {port} after 30 s: {log.read_text()[-500:]}")
        time.sleep(0.05)
