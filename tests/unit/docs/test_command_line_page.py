"""The page of the command line is what the program says of itself."""

from pathlib import Path

from tools.command_line import page

PAGE = Path(__file__).parents[3] / "docs" / "command-line.md"


def test_the_page_is_made_from_the_verbs() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: make schema"
