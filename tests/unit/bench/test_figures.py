"""The table of the benches: what it says, and that every bench is found."""

import pytest

from bench.__main__ import benches, run
from bench.figures import Figure, at_least, at_most, table


def test_a_line_has_name_figure_what_it_stands_beside_and_the_ratio() -> None:
    lines = table([Figure("reads", 90.0, "/s", "peer", 100.0, least=0.8), Figure("writes", 1234.5, "/s")]).splitlines()
    assert lines[0].split() == ["name", "figure", "floor", "ratio"]
    assert lines[2].split() == ["reads", "90.0", "/s", "100", "/s", "(peer)", "0.90", ">=", "0.8"]
    assert lines[3].split() == ["writes", "1,234", "/s", "-", "-"]


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (at_most("memory", 90, "MB", 100), True),
        (at_most("memory", 110, "MB", 100), False),
        (at_least("rate", 110, "/s", 100), True),
        (at_least("rate", 90, "/s", 100), False),
        (Figure("beside nothing", 1, "s"), True),
    ],
)
def test_a_ratio_is_as_it_should_be_or_missed(figure: Figure, holds: bool) -> None:
    assert figure.holds is holds
    assert ("MISSED" in table([figure])) is not holds


def test_every_bench_is_found_by_its_function() -> None:
    assert {"cloud", "eventgrid", "host", "proxy", "router"} <= set(benches())


def test_a_bench_that_breaks_does_not_end_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        """Breaks."""

        @staticmethod
        def figures() -> list[Figure]:
            raise RuntimeError("no storage")

    class Whole:
        """Measures."""

        @staticmethod
        def figures() -> list[Figure]:
            return [Figure("one", 1, "s")]

    known = {"broken": Broken, "whole": Whole}
    figures, broken = run(["broken", "whole"], known, lambda name: known[name].figures())
    assert [one.name for one in figures] == ["one"]
    assert broken == ["broken"]
    assert "no storage" in capsys.readouterr().err
