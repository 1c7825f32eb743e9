"""How traffic over time becomes a picture."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.dashboard.traffic import finding, moments, picture, shares

START = datetime(2013, 1, 1, tzinfo=UTC)


def moment(minutes: float, *given: tuple[str, int]) -> dict[str, Any]:
    return {"at": START + timedelta(minutes=minutes), "shares": list(given)}


def test_mirrored_requests_are_no_share() -> None:
    assert shares("blue 90%, green 10%, green mirrors 20%") == [("blue", 90), ("green", 10)]
    assert shares("no traffic") == []


def test_every_stretch_is_seen_and_fills_its_height() -> None:
    history = [moment(0, ("blue", 100)), moment(1, ("green", 10), ("blue", 90)), moment(600, ("green", 100))]
    shown = picture(history, START + timedelta(minutes=601), open_end=True)
    assert shown is not None
    assert shown["names"] == ["blue", "green"]
    widths = {box["x"]: box["w"] for box in shown["boxes"]}.values()
    assert round(sum(widths), 6) == 1000
    assert max(widths) <= 10.001 * min(widths)
    for at in {box["x"] for box in shown["boxes"]}:
        assert sum(box["h"] for box in shown["boxes"] if box["x"] == at) == 100
    assert [(box["name"], box["y"]) for box in shown["boxes"]] == [
        ("blue", 0),
        ("green", 90),
        ("blue", 0),
        ("green", 0),
    ]


def test_what_is_the_same_in_another_order_is_no_change() -> None:
    history = [
        moment(0, ("a", 50), ("b", 50)),
        moment(1, ("b", 50), ("a", 50)),
        moment(2, ("a", 50), ("b", 50), ("c", 0)),
    ]
    shown = picture(history, START, open_end=False)
    assert shown is not None
    assert len(shown["boxes"]) == 2


def test_without_traffic_there_is_no_picture() -> None:
    assert picture([], START, open_end=True) is None
    assert picture([moment(0)], START, open_end=True) is None


def test_what_was_measured_is_written_in_the_unit_of_its_limit() -> None:
    found = finding(
        {
            "verdict": "bad",
            "requests": 40,
            "min-requests": 50,
            "checks": [
                {"name": "error rate", "value": 0.0123, "threshold": "< 1%"},
                {"name": "p95 latency", "value": 41.25, "threshold": "< 300ms"},
                {"name": "orders", "value": None, "threshold": "> 3"},
            ],
        }
    )
    assert found is not None
    assert [check["shown"] for check in found["checks"]] == ["1.2 %", "41.25 ms", "not measured"]


def test_a_history_of_another_form_is_none() -> None:
    assert moments({}) == []
    assert moments({"history": "nonsense"}) == []
    assert moments({"history": [1, {"at": "no time", "finding": 3}]})[0]["at"] is None
