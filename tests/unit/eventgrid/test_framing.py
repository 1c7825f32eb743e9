"""Where HTTP messages end, however they are cut into pieces (RFC 9112)."""

import pytest

from local.eventgrid.framing import Body, FramingError, read_request, read_response, stays_open

CHUNKED = b"4;note=x\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: x\r\n\r\n"


def request(headers: str) -> Body:
    return Body.of_request(read_request(f"PUT /a HTTP/1.1\r\n{headers}\r\n".encode()))


def response(status: int, headers: str, method: str = "GET") -> Body:
    return Body.of_response(read_response(f"HTTP/1.1 {status} Some\r\n{headers}\r\n".encode()), method)


def test_names_of_headers_are_lowered_and_raw_bytes_kept() -> None:
    raw = b"PUT /a/b%20c?x=%2B HTTP/1.1\r\nHost: h\r\nX-Ms-Date:  now \r\n\r\n"
    read = read_request(raw)
    assert (read.method, read.target, read.raw) == ("PUT", "/a/b%20c?x=%2B", raw)
    assert read.headers == {"host": "h", "x-ms-date": "now"}


@pytest.mark.parametrize("size", range(1, 12))
def test_a_chunked_body_ends_at_the_same_place_however_it_is_cut(size: int) -> None:
    data = CHUNKED + b"GET /next"
    body, taken = request("Transfer-Encoding: chunked\r\n"), 0
    for at in range(0, len(data), size):
        count = body.feed(data[at : at + size])
        taken += count
        if body.done:
            break
        assert count == len(data[at : at + size])
    assert taken == len(CHUNKED)
    assert body.size == 4 + 6 + 14


def test_a_length_ends_a_body() -> None:
    body = request("Content-Length: 5\r\n")
    assert body.feed(b"abc") == 3
    assert not body.done
    assert body.feed(b"defgh") == 2
    assert body.done
    assert body.feed(b"more") == 0


def test_which_messages_have_no_body() -> None:
    assert request("").done
    assert response(200, "Content-Length: 10\r\n", "HEAD").done
    assert response(204, "").done
    assert response(304, "Content-Length: 10\r\n").done
    assert response(100, "").done


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    body = response(200, "")
    assert body.until_close
    assert body.feed(b"x" * 100) == 100
    assert not body.done


@pytest.mark.parametrize("raw", [b"hello\r\n\r\n", b"GET / FTP/1\r\n\r\n", b"\x16\x03\x01\r\n\r\n"])
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(FramingError, match="a request line was expected"):
        read_request(raw)


@pytest.mark.parametrize("headers", ["Content-Length: -1\r\n", "Content-Length: x\r\n"])
def test_a_length_that_is_none_is_refused(headers: str) -> None:
    with pytest.raises(FramingError, match="a content-length was expected"):
        request(headers)


def test_a_chunk_without_a_size_is_refused() -> None:
    with pytest.raises(FramingError, match="the size of a chunk was expected"):
        request("Transfer-Encoding: chunked\r\n").feed(b"zz\r\n")


def test_connections_stay_open_unless_told() -> None:
    assert stays_open({})
    assert stays_open({"connection": "keep-alive"})
    assert not stays_open({"connection": "Close"})
