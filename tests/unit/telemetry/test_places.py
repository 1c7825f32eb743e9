"""Places in traces follow from what they stand for; what is no traceparent is none."""

import pytest

from shared.telemetry import places

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        7,
        GOOD.upper(),
        GOOD + "-x",
        GOOD + "\n",
        GOOD.replace("00-0a", "01-0a"),
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        "x" * 100_000,
    ],
)
def test_what_is_no_traceparent_is_none(text: object) -> None:
    assert places.parse(text) is None


def test_a_traceparent_is_read_and_written() -> None:
    place = places.parse(GOOD)
    assert place is not None
    assert place.traceparent == GOOD


def test_an_event_s_own_trace_is_named_by_its_claim() -> None:
    place = places.of_event("ab" * 16)
    assert (place.trace, place.parent) == ("ab" * 16, "")
    assert places.parse(place.traceparent) is not None


def test_an_event_that_brings_a_trace_hangs_in_it() -> None:
    place = places.of_event("ab" * 16, GOOD)
    assert (place.trace, place.parent) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert places.of_event("ab" * 16, "nonsense") == places.of_event("ab" * 16)


def test_the_same_names_always_give_the_same_place_and_others_another() -> None:
    step = places.of_step("20130201t093000-3f9a1c7b2e", 1, GOOD, "train", 1)
    assert step == places.of_step("20130201t093000-3f9a1c7b2e", 1, GOOD, "train", 1)
    others = {
        places.of_step("20130201t093000-3f9a1c7b2e", 1, GOOD, "train", 2).span,
        places.of_step("20130201t093000-3f9a1c7b2e", 1, GOOD, "check", 1).span,
        places.of_step("20130201t093000-3f9a1c7b2f", 1, GOOD, "train", 1).span,
        places.of_activity("20130201t093000-3f9a1c7b2e", 1, GOOD).span,
    }
    assert len(others | {step.span}) == 5


def test_an_activity_without_a_trace_has_one_of_its_own() -> None:
    assert places.under("", "a").trace != places.under("", "b").trace
    assert places.parse(places.under("", "a").traceparent) is not None


def test_what_is_done_at_a_place_is_known_until_it_is_over() -> None:
    assert (places.here(), places.about()) == ("", {})
    with places.inside(places.parse(GOOD), activity="a"):
        with places.inside(None, step="train"):
            assert (places.here(), places.about()) == ("", {"activity": "a", "step": "train"})
        assert (places.here(), places.about()) == (GOOD, {"activity": "a"})
    assert (places.here(), places.about()) == ("", {})
