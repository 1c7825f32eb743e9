"""One trace, read back: from the writing of a blob, by the decision and the activity, to the end of its last job."""

from collections.abc import Callable

import requests

from local.testing import LaptopCloud
from tests.e2e.drops import Drop, Workspace
from tests.telemetry.collector import Seen, collecting

PUBLISHED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_one_trace_leads_from_a_blob_to_the_end_of_its_jobs(start_laptop: Callable[..., LaptopCloud]) -> None:
    with collecting() as collector:
        laptop = start_laptop(
            settings={
                "HUB_TELEMETRY": "otlp",
                "HUB_TELEMETRY_EVENTS": "1",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                "OTEL_METRIC_EXPORT_INTERVAL": "2000",
            }
        )
        _publish(laptop, PUBLISHED)
        drop = Drop("traced", count=5)
        laptop.upload(drop.files)
        laptop.upload(drop.marker)
        activity = laptop.activity("numbers-train")
        assert activity["status"] == "succeeded", activity["reason"]
        ended = "activity numbers-train"
        collector.wait(lambda seen: any(one.name == ended for one in seen.spans), 30, "the activity's span")
        counted = {"hub.events", "hub.decisions", "hub.activities", "hub.step.latency", "hub.delivery.age"}
        collector.wait(lambda seen: counted <= {name for name, _, _ in seen.metrics}, 30, "the metrics")
        for name in ("event ModelRegistered", "event ActivitySucceeded", "event ready"):
            collector.wait(lambda seen, name=name: any(one.name == name for one in seen.spans), 60, name)

    (whole,) = [span for span in collector.spans if span.name == ended]
    trace = collector.trace(whole.trace)
    by_name = {span.name: span for span in trace}
    # The root is the first file's event; its trace is named by its claim, which is how `why` knows the event.
    root = next(span for span in trace if span.name == "event BlobCreated")
    assert root.parent == ""
    assert activity["trace"] == root.trace == root.attributes["hub.claim"] == activity["cause"]["claims"][0]
    assert root.attributes["hub.event.subject"].rpartition("/blobs/")[2] in drop.files
    # Every other span hangs, link by link, under it.
    assert by_name["collect numbers-train"].parent == root.span
    assert whole.parent == by_name["collect numbers-train"].span
    jobs = [step for step in activity["steps"] if step["name"] in {"check", "train"}]
    for step in jobs:
        assert by_name[f"step {step['name']}"].parent == whole.span
        job = by_name[f"job numbers-train {step['name']}"]
        assert job.parent == by_name[f"step {step['name']}"].span
        assert job.attributes["hub.job"] == step["detail"]["job"]
        assert job.attributes["hub.status"] == "Completed"
    _in_order([root, by_name["job numbers-train check"], by_name["job numbers-train train"]], whole)
    # The jobs' tags lead into the trace from the other side.
    tags = Workspace(laptop).tags(jobs[0]["detail"]["job"])
    assert tags["traceparent"] == f"00-{root.trace}-{by_name['job numbers-train check'].span}-01"
    # The event of the model that came of it found its way back into the trace, by the model's tag.
    assert by_name["event ModelRegistered"].parent == whole.span
    # So did the hub's own CloudEvent of the activity's end, by way of its topic.
    told = by_name["event ActivitySucceeded"]
    assert told.attributes["hub.event.subject"] == f"activities/{activity['id']}"
    # A publisher's trace comes through Event Grid and the queue as well.
    (brought,) = [span for span in collector.spans if span.name == "event ready"]
    assert (brought.trace, brought.parent) == (PUBLISHED.split("-")[1], PUBLISHED.split("-")[2])
    (line,) = [one for one in collector.lines if one[0].startswith(f"activity {activity['id']} of")]
    assert line[1] == root.trace
    assert line[2]["hub.activity"] == activity["id"]


def _publish(laptop: LaptopCloud, traceparent: str) -> None:
    """Publish to the hub's topic as another system would."""
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/pipelines/etl",
        "type": "com.example.ready",
        "subject": "numbers",
        "traceparent": traceparent,
        "data": {},
    }
    found = laptop.environment
    requests.post(
        found["EVENTGRID_TOPIC_ENDPOINT"],
        json=[event],
        params={"api-version": "2018-01-01"},
        headers={
            "aeg-sas-key": found["EVENTGRID_TOPIC_KEY"],
            "Content-Type": "application/cloudevents-batch+json; charset=utf-8",
        },
        timeout=20,
    ).raise_for_status()


def _in_order(spans: list[Seen], whole: Seen) -> None:
    starts = [span.start for span in spans]
    assert starts == sorted(starts)
    assert all(span.start <= span.end for span in spans)
    assert max(span.end for span in spans) <= whole.end
