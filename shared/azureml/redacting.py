"""Takes secrets out of what services say, before anybody reads it."""

import re
from typing import Final

_SECRET: Final = re.compile(r"(sig=|Bearer |AccountKey=|api-key[:=]\s*)[^\s&;\"']+", re.IGNORECASE)


def redacted(text: str, most: int = 2000) -> str:
    """Take signatures, tokens and keys out of a text, and give at most `most` characters of it."""
    return _SECRET.sub(r"\1…", text)[:most]
