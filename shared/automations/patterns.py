"""Patterns of paths: `flights/{month}/**/*.csv`, matched in bounded time whatever the path."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

MAX_LENGTH: Final = 1024
_MAX_DEEP: Final = 4
_TOKEN: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}|(\*)|(\?)|([^{}*?]+)")


class PatternError(ValueError):
    """A pattern cannot be read; the message says what is wrong with it."""


@dataclass(frozen=True)
class PathPattern:
    """A pattern of paths. `**` is zero or more folders, `*` anything in a folder's or file's name, `?` one character,
    `{name}` one or more characters of a name, captured.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> "PathPattern":
        """Read a pattern, or raise PatternError."""
        if not text or len(text) > MAX_LENGTH:
            raise PatternError(f"a path pattern has 1 to {MAX_LENGTH} characters; this one has {len(text)}")
        if text.startswith("/") or "//" in text or "\\" in text:
            raise PatternError(f"{text!r}: a blob's path has no leading, doubled or backward slash")
        segments = text.split("/")
        if ".." in segments or "." in segments:
            raise PatternError(f"{text!r}: a path has no '.' or '..' folder")
        if segments.count("**") > _MAX_DEEP:
            raise PatternError(f"{text!r}: at most {_MAX_DEEP} times '**'")
        names = re.findall(r"\{(\w+)\}", text)
        if len(set(names)) != len(names):
            raise PatternError(f"{text!r}: each capture stands once")
        for segment in segments:
            if segment != "**" and "**" in segment:
                raise PatternError(f"{text!r}: '**' stands alone between slashes, as in 'a/**/b'")
            rest = _TOKEN.sub("", segment)
            if rest:
                raise PatternError(f"{text!r}: {rest[0]!r} is not closed; a capture is written {{name}}")
        return cls(text)

    @cached_property
    def captures(self) -> frozenset[str]:
        """The names it captures."""
        return frozenset(match[1] for match in _TOKEN.finditer(self.text) if match[1])

    @cached_property
    def literal_prefix(self) -> str:
        """The text that every matching path begins with."""
        return re.split(r"[{*?]", self.text, maxsplit=1)[0]

    @cached_property
    def literal_suffix(self) -> str:
        """The text that every matching path ends with."""
        return re.split(r"[}*?]", self.text)[-1]

    def match(self, path: str) -> dict[str, str] | None:
        """Give what is captured where the path matches, else None."""
        if not path.startswith(self.literal_prefix) or not path.endswith(self.literal_suffix):
            return None
        return _match_segments(self._parts, tuple(path.split("/")))

    @cached_property
    def _parts(self) -> tuple[tuple[str, ...], ...]:
        """The pattern by segments; a segment is its tokens, `**` the only token of its own."""
        return tuple(
            ("**",) if segment == "**" else tuple(match[0] for match in _TOKEN.finditer(segment))
            for segment in self.text.split("/")
        )

    def fill(self, captures: dict[str, str]) -> str:
        """Give the pattern with captures put in; raises KeyError for one that is missing."""
        return re.sub(r"\{(\w+)\}", lambda match: captures[match[1]], self.text)


def _match_segments(parts: tuple[tuple[str, ...], ...], names: tuple[str, ...]) -> dict[str, str] | None:
    """Match a path by its names. What has failed from a place on fails again, so each place is tried once."""
    failed: set[tuple[int, int]] = set()

    def at(part: int, name: int) -> dict[str, str] | None:
        if part == len(parts):
            return {} if name == len(names) else None
        if (part, name) in failed:
            return None
        found: dict[str, str] | None = None
        if parts[part] == ("**",):
            last = part == len(parts) - 1
            starts = range(name, len(names) + 1) if not last else range(len(names), len(names) + (name < len(names)))
            found = next((rest for start in starts if (rest := at(part + 1, start)) is not None), None)
        elif name < len(names):
            captured = _match_name(parts[part], names[name])
            rest = None if captured is None else at(part + 1, name + 1)
            found = None if captured is None or rest is None else {**captured, **rest}
        if found is None:
            failed.add((part, name))
        return found

    return at(0, 0)


def _match_name(pieces: tuple[str, ...], name: str) -> dict[str, str] | None:
    """Match one name; a star or a capture takes as little as it can. Each place is tried once, as above."""
    failed: set[tuple[int, int]] = set()

    def at(index: int, start: int) -> dict[str, str] | None:
        if index == len(pieces):
            return {} if start == len(name) else None
        if (index, start) in failed:
            return None
        piece = pieces[index]
        found: dict[str, str] | None = None
        if piece == "*" or piece.startswith("{"):
            for end in range(start if piece == "*" else start + 1, len(name) + 1):
                rest = at(index + 1, end)
                if rest is not None:
                    found = rest if piece == "*" else {piece[1:-1]: name[start:end], **rest}
                    break
        elif piece == "?":
            found = at(index + 1, start + 1) if start < len(name) else None
        elif name.startswith(piece, start):
            found = at(index + 1, start + len(piece))
        if found is None:
            failed.add((index, start))
        return found

    return at(0, 0)
