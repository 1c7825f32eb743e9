"""One TCP connection as a buffer that a coroutine takes from, with back-pressure in both directions."""

import asyncio
from typing import Final

from local.eventgrid.framing import MAX_HEAD, Body, FramingError

_HIGH: Final = 512 * 1024
"""Bytes kept before the other side is asked to wait."""


class Wake:
    """Wakes the one coroutine that looks after a pair of connections."""

    __slots__ = ("_future", "_rung")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._rung = False

    def ring(self) -> None:
        """Wake the waiting coroutine, or the next that waits."""
        self._rung = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Wait until something has happened since the last wait; raises TimeoutError."""
        if not self._rung:
            self._future = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(seconds):
                    await self._future
            finally:
                self._future = None
        self._rung = False


class Channel(asyncio.Protocol):
    """A connection. `wake` rings when bytes have come or the other side has gone."""

    def __init__(self, wake: Wake) -> None:
        self.wake = wake
        self.closed = False
        self.data = b""
        self._transport: asyncio.Transport | None = None
        self._reading = True
        self._drained: asyncio.Future[None] | None = None
        self._pipe: tuple[Body, Channel] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what came, or pass it on; ask the other side to wait where too much is kept."""
        if self._pipe is not None and not self.data:
            data = self._pass(data)
        self.data = self.data + data if self.data else data
        if len(self.data) > _HIGH and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        if self._pipe is None or self.data:
            self.wake.ring()

    def _pass(self, data: bytes) -> bytes:
        """Pass on what belongs to the body, and give the rest; wakes nobody before its end or a full target."""
        assert self._pipe is not None
        body, target = self._pipe
        count = body.feed(data)
        target.write(data[:count] if count < len(data) else data)
        if body.done or target.is_full:
            self.wake.ring()
        if target.is_full and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        return data[count:]

    def pipe(self, body: Body | None, target: "Channel") -> None:
        """Pass on what comes of a body without waking anybody; None ends that."""
        self._pipe = None if body is None else (body, target)
        self._resume()

    @property
    def is_full(self) -> bool:
        """Whether the other side takes no more for now."""
        return self._drained is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that nothing more comes."""
        self.closed = True
        self.resume_writing()
        self.wake.ring()

    def pause_writing(self) -> None:
        """Have `drain` wait."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let `drain` go on."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def write(self, data: bytes) -> None:
        """Send; does nothing where the other side has gone."""
        if self._transport is not None and not self.closed and data:
            self._transport.write(data)

    async def drain(self, seconds: float) -> None:
        """Wait until the other side takes more; raises TimeoutError."""
        if self._drained is not None:
            async with asyncio.timeout(seconds):
                await self._drained

    def take(self, body: Body) -> bytes:
        """Take what has come of a body; what follows it stays."""
        data = self.data
        if not data:
            return b""
        count = body.feed(data)
        self.data = data[count:] if count < len(data) else b""
        self._resume()
        return data[:count] if count < len(data) else data

    def take_head(self) -> bytes:
        """Take a whole head, its blank line included, or nothing where it has not come yet."""
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            if len(self.data) > MAX_HEAD:
                raise FramingError(f"the head of a message is longer than {MAX_HEAD} bytes")
            return b""
        head, self.data = self.data[: end + 4], self.data[end + 4 :]
        self._resume()
        return head

    def _resume(self) -> None:
        if not self._reading and len(self.data) < _HIGH and self._transport is not None and not self.closed:
            self._reading = True
            self._transport.resume_reading()

    def close(self) -> None:
        """Close after what was written is sent."""
        if self._transport is not None:
            self._transport.close()
