"""However traffic is shared out: it sums to 100, the challenger gets its share, the others keep their proportions."""

from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.traffic import Traffic, mirrored, split


@st.composite
def shares(draw: st.DrawFn) -> Traffic:
    cuts = sorted(draw(st.lists(st.integers(1, 99), max_size=4, unique=True)))
    parts = [end - begin for begin, end in zip([0, *cuts], [*cuts, 100], strict=True)]
    return Traffic.of({f"d{number}": part for number, part in enumerate(parts)})


@given(shares(), st.integers(0, 100))
def test_a_split_sums_to_100_and_keeps_proportions(before: Traffic, share: int) -> None:
    after = split(before, "new", share)
    assert after.total == 100
    assert after.live.get("new", 0) == share
    for name, part in before.live.items():
        assert abs(after.live.get(name, 0) - part * (100 - share) / 100) < 1


@given(shares(), st.integers(1, 50), st.integers(0, 100))
def test_a_step_after_a_step_is_that_step_from_the_beginning(before: Traffic, first: int, second: int) -> None:
    twice = split(split(before, "new", first), "new", second)
    assert twice.total == 100
    assert twice.live.get("new", 0) == second


@given(shares(), st.integers(1, 50))
def test_a_mirror_takes_nothing_from_what_is_live(before: Traffic, share: int) -> None:
    after = mirrored(before, "new", share)
    assert after.live == before.live
    assert after.mirror == {"new": share}
