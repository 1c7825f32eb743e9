"""Where an HTTP/1.1 message begins and ends: reads heads and follows bodies without keeping them (RFC 9112)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_HEAD: Final = 128 * 1024
"""Bytes of a head at most; what is longer is refused."""


class FramingError(Exception):
    """The bytes are no HTTP/1.1 message; the text says what was found."""


@dataclass(slots=True)
class Request:
    """The head of a request. `raw` are the bytes as they came; names of `headers` are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    raw: bytes


@dataclass(slots=True)
class Response:
    """The head of a response, as Request."""

    status: int
    headers: Mapping[str, str]
    raw: bytes


def read_request(raw: bytes) -> Request:
    """Read the head of a request, its blank line included; raises FramingError."""
    first, headers = _split(raw)
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise FramingError(f"a request line was expected, not {first[:80]!r}")
    return Request(parts[0], parts[1], headers, raw)


def read_response(raw: bytes) -> Response:
    """Read the head of a response, its blank line included; raises FramingError."""
    first, headers = _split(raw)
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
        raise FramingError(f"a status line was expected, not {first[:80]!r}")
    return Response(int(parts[1]), headers, raw)


def _split(raw: bytes) -> tuple[str, dict[str, str]]:
    lines = raw.decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.lower()] = value.strip()
    return lines[0], headers


def stays_open(headers: Mapping[str, str]) -> bool:
    """Tell whether the connection may carry another message after this one."""
    return "close" not in headers.get("connection", "").lower()


def told(response: Response, status: int) -> bytes:
    """Give the raw head of a response with another status."""
    return b"HTTP/1.1 %d OK" % status + response.raw[response.raw.index(b"\r\n") :]


class Body:
    """Follows a body: tells how many of the bytes at hand belong to it, and when it is done."""

    __slots__ = ("_left", "_line", "_mode", "done", "size")

    def __init__(self, mode: str, length: int = 0) -> None:
        self._mode = mode
        self._left = length
        self._line = b""
        self.size = 0
        self.done = mode == "length" and length == 0

    @classmethod
    def of_request(cls, request: Request) -> "Body":
        """Follow the body of a request (RFC 9112, 6.3)."""
        return cls._of(request.headers, otherwise="length")

    @classmethod
    def of_response(cls, response: Response, method: str) -> "Body":
        """Follow the body of the answer to `method`: HEAD, 1xx, 204 and 304 have none."""
        if method == "HEAD" or response.status < 200 or response.status in {204, 304}:
            return cls("length")
        return cls._of(response.headers, otherwise="close")

    @classmethod
    def _of(cls, headers: Mapping[str, str], otherwise: str) -> "Body":
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return cls("size")
        length = headers.get("content-length")
        if length is None:
            return cls(otherwise)
        if not length.isdigit():
            raise FramingError(f"a content-length was expected, not {length[:40]!r}")
        return cls("length", int(length))

    @property
    def until_close(self) -> bool:
        """Whether only the end of the connection ends this body."""
        return self._mode == "close"

    def feed(self, data: bytes) -> int:
        """Give how many bytes from the start of `data` belong to this body; `size` counts what is content."""
        if self.done:
            return 0
        if self._mode == "close":
            self.size += len(data)
            return len(data)
        if self._mode == "length":
            taken = min(self._left, len(data))
            self._left -= taken
            self.size += taken
            self.done = self._left == 0
            return taken
        return self._chunks(data)

    def _chunks(self, data: bytes) -> int:
        at = 0
        while at < len(data) and not self.done:
            if self._mode == "data":
                taken = min(self._left, len(data) - at)
                at += taken
                self._left -= taken
                self.size += taken
                if self._left == 0:
                    self._mode = "end"
                continue
            newline = data.find(b"\n", at)
            stop = len(data) if newline < 0 else newline + 1
            self._line += data[at:stop]
            at = stop
            if len(self._line) > MAX_HEAD:
                raise FramingError("a line of a chunked body is too long")
            if newline >= 0:
                self._end_of_line(self._line.strip())
                self._line = b""
        return at

    def _end_of_line(self, line: bytes) -> None:
        if self._mode == "end":
            self._mode = "size"
        elif self._mode == "trailer":
            self.done = not line
        else:
            try:
                self._left = int(line.partition(b";")[0], 16)
            except ValueError:
                raise FramingError(f"the size of a chunk was expected, not {line[:40]!r}") from None
            self._mode = "data" if self._left else "trailer"
