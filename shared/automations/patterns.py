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
        found = self._regex.fullmatch(path)
        return found.groupdict() if found else None

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        """The pattern as a regular expression that never tries anything twice.

        The names before the first `**` begin the path, those after the last one end it. What stands between two takes
        the first place where it fits, for good (an atomic group): what it leaves over, the `**` after it takes.
        """
        first, *rest = ("/".join(map(_name, block)) for block in _blocks(self.text))
        if not rest:
            return re.compile(first)
        *between, last = rest
        folders = "(?:[^/]*/)*"
        middle = "".join(f"(?>{folders}?{block}/)" for block in between if block)
        end = folders + last if last else "(?s:.*)"  # a closing `**` stands for at least one name: `a/**` is inside `a`
        return re.compile((f"{first}/" if first else "") + middle + end)

    def fill(self, captures: dict[str, str]) -> str:
        """Give the pattern with captures put in; raises KeyError for one that is missing."""
        return re.sub(r"\{(\w+)\}", lambda match: captures[match[1]], self.text)


def _blocks(text: str) -> list[list[str]]:
    """Give the names of a pattern, parted at each `**`."""
    blocks: list[list[str]] = [[]]
    for name in text.split("/"):
        if name == "**":
            blocks.append([])
        else:
            blocks[-1].append(name)
    return blocks


def _name(text: str) -> str:
    """Give a name of a pattern as a regular expression.

    The text after a wildcard is found at the first place that fits, for good: what it leaves over, the next wildcard
    takes. The last one ends the name.
    """
    head, wildcards = "", list[tuple[str, str]]()
    for match in _TOKEN.finditer(text):
        if match[1] or match[2]:
            wildcards.append((f"(?P<{match[1]}>[^/]+" if match[1] else "(?:[^/]*", ""))
        elif wildcards:
            wildcards[-1] = (wildcards[-1][0], wildcards[-1][1] + _literal(match[0]))
        else:
            head += _literal(match[0])
    inner = [f"(?>{wildcard}?){after})" for wildcard, after in wildcards[:-1]]
    last = [f"{wildcard}){after}(?![^/])" for wildcard, after in wildcards[-1:]]
    return "".join([head, *inner, *last])


def _literal(text: str) -> str:
    return "[^/]" if text == "?" else re.escape(text)
