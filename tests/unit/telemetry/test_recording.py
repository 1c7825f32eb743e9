"""Records cost little, are bounded, and cost nothing where nobody wants them."""

import logging
from datetime import UTC, datetime

import pytest

from shared.telemetry import choice, logs, places, recording
from shared.telemetry.names import ATTRIBUTES, METRICS
from shared.telemetry.places import Place
from shared.telemetry.recording import Buffer, Line, Number, Span

NOW = datetime(2013, 2, 1, tzinfo=UTC)


def test_without_an_exporter_nothing_is_kept() -> None:
    recording.number("hub.events", 1, via="queue", result="new")
    recording.put(Span("step x", Place("a" * 32, "b" * 16), NOW, NOW))
    assert not recording.on()
    assert not recording.kept(Place("0" * 31 + "1", "b" * 16))


def test_the_oldest_go_when_the_exporter_does_not_keep_up() -> None:
    buffer = Buffer(most=3)
    for n in range(5):
        buffer.add(Number("hub.events", n, {}))
    assert buffer.dropped == 2
    assert [one.value for one in buffer.take() if isinstance(one, Number)] == [2, 3, 4]
    assert buffer.take() == []


def test_what_sends_is_started_once_and_not_by_a_line_of_a_log() -> None:
    calls: list[int] = []
    buffer = Buffer(first=lambda: calls.append(1))
    buffer.add(Line(0.0, 20, "shared.x", "telemetry goes to azure", {}, None))
    assert calls == []
    for _ in range(3):
        buffer.add(Number("hub.events", 1, {}))
    assert calls == [1]


def test_a_share_of_traces_is_kept_and_every_instance_keeps_the_same() -> None:
    traces = [places.digits(32, str(n)) for n in range(4000)]
    recording.use(Buffer(share=0.05))
    try:
        kept = [recording.kept(Place(trace, "b" * 16)) for trace in traces]
        again = [recording.kept(Place(trace, "c" * 16)) for trace in traces]
    finally:
        recording.use(None)
    assert kept == again
    assert 120 < sum(kept) < 280


def test_lines_name_the_activity_and_only_warnings_go_to_the_host_too(caplog: pytest.LogCaptureFixture) -> None:
    buffer = Buffer()
    recording.use(buffer)
    logs.attach(quiet=True)
    try:
        place = Place("a" * 32, "b" * 16)
        with places.inside(place, **{"hub.activity": "20130201t093000-3f9a1c7b2e"}):
            logging.getLogger("shared.engine.run").info("one step")
            logging.getLogger("shared.engine.run").warning("two steps")
        logging.getLogger("another.library").warning("not ours")
    finally:
        logs.detach()
        recording.use(None)
    lines = [one for one in buffer.take() if isinstance(one, Line)]
    assert [(line.text, line.level) for line in lines] == [("one step", logging.INFO), ("two steps", logging.WARNING)]
    assert {line.place for line in lines} == {place}
    assert all(line.attributes["hub.activity"] == "20130201t093000-3f9a1c7b2e" for line in lines)
    assert [record.getMessage() for record in caplog.records] == ["two steps", "not ours"]


def test_the_exporter_follows_from_the_settings() -> None:
    insights = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=k"}
    assert choice.read({}, "hub").kind == "none"
    assert choice.read(insights, "hub").kind == "azure"
    assert choice.read({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, "hub").kind == "otlp"
    assert choice.read({**insights, "HUB_TELEMETRY": "none"}, "hub").kind == "none"
    entra = {"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=c;Authorization=AAD", "AZURE_CLIENT_ID": "c"}
    assert choice.read({**insights, **entra}, "hub").client_id == "c"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"HUB_TELEMETRY": "jaeger"}, "HUB_TELEMETRY is 'jaeger'"),
        ({"HUB_TELEMETRY": "azure"}, "APPLICATIONINSIGHTS_CONNECTION_STRING is missing"),
        ({"HUB_TELEMETRY_EVENTS": "5"}, "HUB_TELEMETRY_EVENTS is '5'"),
        ({"HUB_TELEMETRY_EVENTS": "all"}, "HUB_TELEMETRY_EVENTS is 'all'"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        choice.read(settings, "hub")


def test_names_are_unique_and_of_one_form() -> None:
    assert all(name.startswith("hub.") for name in (*METRICS, *ATTRIBUTES))
    assert len(set(ATTRIBUTES)) == len(ATTRIBUTES)
