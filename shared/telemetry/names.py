"""The names of all metrics: what each counts, in which unit, by which attributes. Workbook and alerts ask for these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Histograms are in seconds."""

    kind: Literal["counter", "histogram", "gauge"]
    unit: str
    attributes: tuple[str, ...]
    about: str


METRICS: Final[Mapping[str, Metric]] = {
    "hub.events": Metric("counter", "{event}", ("via", "result"), "events taken in: new, known or broken"),
    "hub.decisions": Metric("counter", "{decision}", ("outcome", "automation"), "what became of events, by automation"),
    "hub.delivery.age": Metric("histogram", "s", ("via",), "from the oldest event of a delivery to its decision"),
    "hub.activities": Metric("counter", "{activity}", ("automation", "status"), "activities that ended"),
    "hub.unfinished": Metric("gauge", "{activity}", ("status",), "activities that have not ended, at the last sweep"),
    "hub.queue.age": Metric("gauge", "s", ("queue",), "age of the oldest visible message, at the last sweep"),
    "hub.queue.length": Metric("gauge", "{message}", ("queue",), "messages, those of the future among them"),
    "hub.step.latency": Metric("histogram", "s", ("step", "result"), "one look at a step: done, again, retry, failed"),
    "hub.probe.latency": Metric("histogram", "s", (), "from the probe's blob to the ledger"),
    "hub.dead_letters": Metric("counter", "{letter}", ("kind",), "what could not be delivered, read or worked on"),
    "hub.sweeps": Metric("counter", "{sweep}", ("result",), "looks at what is unfinished: done or failed"),
    "hub.telemetry.dropped": Metric("counter", "{record}", (), "records that waited too long for the exporter"),
}
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
"""Bounds of the histograms, in seconds."""

SPANS: Final = ("event", "decide", "collect", "activity", "step", "job")
"""First words of the spans' names; the second is the event's type, the automation, step or experiment."""
ATTRIBUTES: Final = (
    "hub.id", "hub.claim", "hub.event.id", "hub.event.type", "hub.event.subject", "hub.via", "hub.outcome",
    "hub.activity", "hub.automation", "hub.action", "hub.status", "hub.reason", "hub.attempt", "hub.cause",
    "hub.files", "hub.collection", "hub.generation", "hub.closed_by", "hub.step", "hub.job",
)  # fmt: skip
"""Attributes of spans and log lines."""
