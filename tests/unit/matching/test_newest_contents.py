"""Of one path the newest content counts, whatever the order in which events came."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.deciding.files import Newest, newest_contents
from shared.ledger.records import File

START = datetime(2026, 1, 1, tzinfo=UTC)


def file(path: str = "p", etag: str = "1", seconds: int = 0, sequencer: str = "", **more: Any) -> File:
    place = {"account": "a", "container": "c", "size": 1, **more}
    return File(path=path, etag=etag, time=START + timedelta(seconds=seconds), sequencer=sequencer, **place)


def test_a_higher_sequencer_wins_whatever_the_time_says() -> None:
    older, newer = file(etag="1", seconds=9, sequencer="0a"), file(etag="2", seconds=1, sequencer="0b")
    assert newest_contents([newer, older]) == newest_contents([older, newer]) == (newer,)


def test_sequencers_of_other_widths_and_cases_compare_by_value() -> None:
    older, newer = file(etag="1", sequencer="FF"), file(etag="2", sequencer="0" * 32 + "100")
    assert newest_contents([newer, older]) == (newer,)


def test_without_a_sequencer_the_later_time_wins_and_then_the_etag() -> None:
    assert newest_contents([file(etag="9"), file(etag="1", seconds=1)])[0].etag == "1"
    assert newest_contents([file(etag="2"), file(etag="1")])[0].etag == "2"


def test_other_accounts_containers_and_paths_are_other_files() -> None:
    files = [file(), file(account="b"), file(container="d"), file(path="q"), file(path="P")]
    assert len(newest_contents(files)) == 5


def test_the_list_is_in_the_order_of_places() -> None:
    assert [one.path for one in newest_contents([file("b"), file("a/z"), file("a"), file("B")])] == [
        "B",
        "a",
        "a/z",
        "b",
    ]


NUMBERS = st.integers(0, 2**64)
SEQUENCED = st.lists(
    st.builds(lambda path, number, seconds: (path, number, seconds), st.sampled_from("pq"), NUMBERS, st.integers(0, 5)),
    max_size=8,
    unique_by=lambda item: (item[0], item[1]),
)


@given(SEQUENCED, st.randoms(use_true_random=False))
def test_the_highest_sequencer_of_each_path_stays_in_any_order(items: list[tuple[str, int, int]], random: Any) -> None:
    files = [
        file(path, str(number), seconds, random.choice(["{:x}", "{:X}", "{:048x}"]).format(number))
        for path, number, seconds in items
    ]
    random.shuffle(files)
    kept = {one.path: int(one.etag) for one in newest_contents(files)}
    assert kept == {path: max(number for other, number, _ in items if other == path) for path, _, _ in items}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.text("0123", min_size=1, max_size=2)), min_size=1, max_size=5, unique=True)
)
def test_files_found_by_listing_give_one_answer_in_every_order(items: list[tuple[int, str]]) -> None:
    files = [file(etag=etag, seconds=seconds) for seconds, etag in items]
    answers = {newest_contents(order) for order in itertools.permutations(files)}
    assert len(answers) == 1
    assert newest_contents([*answers.pop(), *files])[0] in files


def test_of_frozen_copies_the_newest_content_of_the_place_they_were_copied_from_counts() -> None:
    older = file("frozen/one/files/p", seconds=1, sequencer="01", container="hub-data", origin="a/c/p")
    newer = file("frozen/two/files/p", seconds=2, sequencer="02", container="hub-data", origin="a/c/p")
    other = file("frozen/one/files/q", seconds=1, sequencer="01", container="hub-data", origin="a/c/q")
    assert newest_contents([newer, older, other]) == (newer, other)


def test_the_answer_depends_on_no_order_where_only_some_have_a_sequencer() -> None:
    files = [
        file(etag="A", seconds=1, sequencer="2"),
        file(etag="B", seconds=2),
        file(etag="C", seconds=3, sequencer="1"),
    ]
    assert {newest_contents(order)[0].etag for order in itertools.permutations(files)} == {"C"}


MIXED = st.lists(
    st.builds(
        lambda path, etag, seconds, sequencer, size: file(path, str(etag), seconds, sequencer, size=size),
        st.sampled_from("pq"),
        st.integers(0, 9),
        st.integers(0, 2),
        st.sampled_from(("", "1", "0a", "FF")),
        st.integers(0, 5),
    ),
    max_size=8,
)


@given(MIXED, MIXED)
def test_looking_in_between_changes_nothing(first: list[File], second: list[File]) -> None:
    looked = Newest(first)
    assert (looked.files(), looked.size) == (newest_contents(first), sum(one.size for one in newest_contents(first)))
    looked.add(second)
    whole = newest_contents([*first, *second])
    assert (looked.files(), looked.size, len(looked)) == (whole, sum(one.size for one in whole), len(whole))
