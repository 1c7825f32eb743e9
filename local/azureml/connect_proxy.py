"""A CONNECT proxy on the loopback interface: leads the laptop's storage hosts to the emulator, others to themselves."""

import asyncio
import contextlib
import logging
from typing import Final

from local.azureml.uris import STORAGE_SUFFIX
from local.config import Cloud

_log = logging.getLogger("azureml.proxy")
_CHUNK: Final = 65536
_HEAD: Final = 16384
_WAIT: Final = 20.0


def proxy_port(cloud: Cloud) -> int:
    """Give the proxy's port: the one after the supervisor's."""
    return cloud.port_base + 10


class ConnectProxy:
    """Tunnels bytes; TLS ends at the emulator, never here."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", proxy_port(self._cloud), limit=_HEAD)

    async def stop(self) -> None:
        """End all tunnels."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tunnels):
            task.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)

    def target(self, address: str) -> tuple[str, int] | None:
        """Give where `host:port` leads, or None where it is no address."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            return None
        if host.lower().endswith(f".{STORAGE_SUFFIX}"):
            return "127.0.0.1", self._cloud.azureml_tls_port
        return host.strip("[]"), int(port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tunnels.add(task)
            task.add_done_callback(self._tunnels.discard)
        try:
            await self._tunnel(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            _log.debug("a tunnel ended: %s", type(error).__name__)
        finally:
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _WAIT)
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
        target = self.target(words[1]) if len(words) == 3 and words[0] == "CONNECT" else None
        if target is None:
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        try:
            far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(*target), _WAIT)
        except (OSError, TimeoutError):
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await writer.drain()
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then say so to the target."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
