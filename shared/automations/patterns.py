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
        """The text that the last name of every matching path ends with."""
        return re.split(r"[}*?]", self.text.rpartition("/")[2])[-1]

    def match(self, path: str) -> dict[str, str] | None:
        """Give what is captured where the path matches, else None. Every wildcard takes as little as it can."""
        if not path.startswith(self.literal_prefix) or not path.endswith(self.literal_suffix):
            return None
        return _match_blocks(self._blocks, path.split("/"))

    @cached_property
    def _blocks(self) -> tuple[tuple["_Name", ...], ...]:
        """The names of the pattern, parted at each `**`."""
        blocks: list[list[_Name]] = [[]]
        for segment in self.text.split("/"):
            if segment == "**":
                blocks.append([])
            else:
                blocks[-1].append(_Name.parse(segment))
        return tuple(tuple(block) for block in blocks)

    def fill(self, captures: dict[str, str]) -> str:
        """Give the pattern with captures put in; raises KeyError for one that is missing."""
        return re.sub(r"\{(\w+)\}", lambda match: captures[match[1]], self.text)


@dataclass(frozen=True, slots=True)
class _Name:
    """A name of a pattern: a text that it begins with, then wildcards, each with the text that follows it.

    In these texts `?` stands for any one character. A wildcard is the name that it captures, or "" for a star.
    """

    head: str
    wildcards: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, segment: str) -> "_Name":
        head, wildcards = "", list[tuple[str, str]]()
        for match in _TOKEN.finditer(segment):
            if match[1] or match[2]:
                wildcards.append((match[1] or "", ""))
            elif wildcards:
                wildcards[-1] = (wildcards[-1][0], wildcards[-1][1] + match[0])
            else:
                head += match[0]
        return cls(head, tuple(wildcards))

    def match(self, name: str) -> dict[str, str] | None:
        """Give what is captured, or None. The first place that fits a text is enough: what it leaves over, the next
        wildcard takes; so nothing is ever tried twice.
        """
        if not self.wildcards:
            return {} if len(name) == len(self.head) and _stands(self.head, name, 0) else None
        if not _stands(self.head, name, 0):
            return None
        captured: dict[str, str] = {}
        at = len(self.head)
        for index, (variable, text) in enumerate(self.wildcards):
            first = at + bool(variable)
            last = index == len(self.wildcards) - 1
            end = _last(text, name, first) if last else _first(text, name, first)
            if end < 0:
                return None
            if variable:
                captured[variable] = name[at:end]
            at = end + len(text)
        return captured


def _stands(text: str, name: str, at: int) -> bool:
    """Tell whether `text`, in which `?` is any character, stands at a place of `name`."""
    if "?" not in text:
        return name.startswith(text, at)
    part = name[at : at + len(text)]
    return len(part) == len(text) and all(wanted in ("?", given) for wanted, given in zip(text, part, strict=True))


def _first(text: str, name: str, start: int) -> int:
    if "?" not in text:
        return name.find(text, start)
    return next((at for at in range(start, len(name) - len(text) + 1) if _stands(text, name, at)), -1)


def _last(text: str, name: str, start: int) -> int:
    at = len(name) - len(text)
    return at if at >= start and _stands(text, name, at) else -1


def _match_blocks(blocks: tuple[tuple[_Name, ...], ...], names: list[str]) -> dict[str, str] | None:
    """Match a path by its names: the first block begins it, the last one ends it, each other one stands at the first
    place where it fits; what is left over, the `**` before the next block takes.
    """
    first, *rest = blocks
    captured = _match_block(first, names, 0)
    if captured is None or (not rest and len(names) != len(first)):
        return None
    at = len(first)
    for index, block in enumerate(rest):
        if index == len(rest) - 1:
            # a closing `**` stands for at least one name: `a/**` is what lies in the folder `a`
            place = len(names) - len(block)
            places = range(place, place + 1) if place >= at + (not block) else range(0)
        else:
            places = range(at, len(names) - len(block) + 1)
        for place in places:
            if (found := _match_block(block, names, place)) is not None:
                captured |= found
                at = place + len(block)
                break
        else:
            return None
    return captured


def _match_block(block: tuple[_Name, ...], names: list[str], at: int) -> dict[str, str] | None:
    if at + len(block) > len(names):
        return None
    captured: dict[str, str] = {}
    for offset, part in enumerate(block):
        found = part.match(names[at + offset])
        if found is None:
            return None
        captured |= found
    return captured
