"""Takes a delivery apart that does not decode as a whole, so that one broken event costs no other."""

import re
from collections.abc import Iterator
from typing import Final

_PART: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)
_BLANK: Final = b" \t\r\n"


def pieces(body: bytes) -> Iterator[bytes]:
    """Give the elements of a JSON array as they were written, or the body itself where it is no array.

    Brackets and strings are told apart, nothing else is checked: a piece may still be no JSON. Takes time in proportion
    to the body. What follows the last complete element of a body that was cut off comes as the last piece.
    """
    text = body.strip(_BLANK)
    if not text.startswith(b"["):
        yield text
        return
    depth, start = 0, 1
    for match in _PART.finditer(text):
        sign = match[0]
        if sign in {b"[", b"{"}:
            depth += 1
        elif sign in {b"]", b"}"}:
            depth -= 1
        if (sign == b"," and depth == 1) or depth == 0:
            if piece := text[start : match.start()].strip(_BLANK):
                yield piece
            start = match.end()
        if depth == 0:
            break
    if rest := text[start:].strip(_BLANK):
        yield rest
