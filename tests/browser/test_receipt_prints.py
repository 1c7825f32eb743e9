"""A receipt prints on two sheets of A4, however much there is to tell."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from shared.receipt_page import page
from shared.receipt_parts import (
    ActivityLink,
    ApprovalLink,
    CheckLink,
    CostLink,
    DataLink,
    EventLink,
    FileLink,
    GateLink,
    LiveLink,
    Receipt,
    RolloutLink,
    RunLink,
    ScoredLink,
    SliceLink,
    TrafficLink,
)

NOW = datetime(2013, 7, 14, 3, 0, tzinfo=UTC)
NAME = "20130714t030000-0123456789"
LONG = "worse than the champion: cost_per_flight 22.5143 against 21.1036 (tolerance 1%), on the same rows " * 3


def file(number: int) -> FileLink:
    path = f"flights/2013-07/some/deeper/folder/of-the-airport/EWR-{number:04}.csv"
    return FileLink(
        account="landing",
        container="hub-data",
        path=f"frozen/{NAME}/dataset/{path}",
        etag="0x8DE28C0F5B1A2C3",
        size=123_456,
        time=NOW,
        claim="c",
        origin=f"landing/landing/{path}",
    )


def activity(steps: int) -> ActivityLink:
    return ActivityLink(
        id=NAME,
        automation="delay-train-for-all-airports-of-new-york",
        content="c" * 64,
        status="succeeded",
        reason="",
        attempt=2,
        created=NOW,
        ended=NOW,
        cause={"kind": "events", "who": "", "events": 12_345, "collection": "c", "closed_by": "marker came"},
        steps=[],
        acts=[],
        rules="name: delay-train\n" * steps,
    )


def rollout(name: str, status: str) -> RolloutLink:
    traffic = "delay-1f64420dcc 90%, delay-53404e395b 10%"
    acts = ("SetTraffic", "Confirm", "Hold")
    return RolloutLink(
        release=name,
        status=status,
        reason=LONG if status == "failed" else "",
        endpoint="delay-of-new-york",
        deployment="delay-53404e395b",
        evaluation=f"hub-{name}-evaluate-1",
        champion=f"arrival-delay-of-flights-from-new-york:{NAME}",
        began=NOW,
        ended=NOW + timedelta(hours=2),
        traffic=[
            TrafficLink(
                at=NOW + timedelta(minutes=number),
                act=acts[number % 3],
                traffic=traffic,
                reason=LONG,
                finding={"verdict": "good", "from": "2013-07-14T03:00:00Z", "requests": 1000, "errors": 0.0},
            )
            for number in range(60)
        ],
    )


def large() -> Receipt:
    """More of everything than a page shows."""
    data = DataLink(asset="flights", version=NAME, uri="azureml://", files=5000, size=10**9, listed=[file(1)] * 5000)
    releases = [f"2013071{number}t030000-0123456789" for number in range(6)]
    gates = ("metrics", "champion", "business", "fairness", "approval")
    return Receipt(
        model="arrival-delay-of-flights-from-new-york",
        version=NAME,
        registered=NOW,
        uri=f"azureml://jobs/hub-{NAME}-train-1/outputs/model",
        tags={},
        lineage={},
        made_by=activity(200),
        events=[
            EventLink(id="e", received=NOW, type="Microsoft.Storage.BlobCreated", subject=file(n).path * 2, via="queue")
            for n in range(20)
        ],
        new_files=data,
        dataset=data,
        check=CheckLink(job=f"hub-{NAME}-check-1", state="done", reason=""),
        run=RunLink(
            job=f"hub-{NAME}-train-1",
            experiment="delay-train",
            studio="https://ml.azure.com/runs/x",
            environment="azureml:delay-jobs-with-a-long-name:0123456789abcdef0123456789abcdef",
            code="azureml:0123456789abcdef:1",
            commit="a" * 40,
            content="c" * 64,
            started=NOW,
            ended=NOW + timedelta(minutes=50),
        ),
        metrics={f"a_metric_of_many_{number}": 1234.5 / (number + 1) for number in range(60)},
        importances={f"feature_of_many_{number}": 3.0 / (number + 1) for number in range(60)},
        slices=[
            SliceLink(
                column="carrier",
                value=f"C{number}",
                rows=900,
                measures={"mae": 15.2, "bias": -9.1, "cost_per_flight": 20.1, "r2": 0.04, "p90_abs_error": 41.0},
            )
            for number in range(60)
        ],
        releases=[],
        gates=[
            GateLink(
                release=release,
                gate=gate,
                result="passed-with-note",
                reason=LONG,
                evidence={
                    "metric": "mae",
                    "challenger": {"value": 17.6, "source": LONG},
                    "champion": {"value": 18.1},
                    "interval": [-1.0, -0.1],
                    "carrier": [{"value": f"C{number}", "gap": 0.1} for number in range(30)],
                },
            )
            for release in releases
            for gate in gates
        ],
        approvals=[
            ApprovalLink(release=releases[-2], said="approve", who="ann@example.org", at=NOW, reason=LONG, person=True),
            ApprovalLink(release=releases[-2], said="approve", who="bob@example.org", at=NOW, reason="", person=True),
        ],
        rollouts=[
            rollout(release, status)
            for release, status in zip(releases, ["failed"] * 4 + ["succeeded", "failed"], strict=True)
        ],
        live=[
            LiveLink(
                endpoint="delay-of-new-york",
                deployment="delay-53404e395b",
                traffic=100,
                mirror=0,
                state="Succeeded",
                instances="3 x Standard_DS3_v2",
                price="0.29 USD",
            )
        ],
        scored=[
            ScoredLink(
                activity=NAME,
                attempt=1,
                automation="delay-score",
                at=NOW,
                run="r",
                endpoint="delay-batch",
                deployment="blue",
                files=120,
                rows=28_000,
                output=f"scored/{NAME}/1/",
            )
        ]
        * 40,
        cost=[
            CostLink(
                activity=NAME,
                step=step,
                compute="cpu-cluster-with-a-name",
                nodes=2,
                seconds=1834.2,
                amount=0.36,
                currency="USD",
            )
            for step in ("check", "train", *["evaluate"] * 12)
        ],
        missing=["the rules 0123456789ab of activity x", "where it is live on other: TransientError: no answer"],
        digest="d" * 64,
    )


def small() -> Receipt:
    """A version that the hub did not make."""
    return Receipt(
        model="m",
        version="7",
        registered=NOW,
        uri="",
        tags={},
        lineage={},
        made_by=None,
        events=[],
        new_files=None,
        dataset=None,
        releases=[],
        missing=["the hub did not make this version"],
        digest="d" * 64,
    )


@pytest.mark.parametrize("made", [large(), small()], ids=["large", "small"])
def test_a_receipt_prints_on_two_sheets(chromium: Browser, tmp_path: Path, made: Receipt) -> None:
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    try:
        tab = context.new_page()
        tab.set_content(page(made))
        wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        tab.screenshot(path=str(tmp_path / "receipt.png"), full_page=True)
        tab.set_viewport_size({"width": 390, "height": 800})
        phone = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        printed = tab.pdf(prefer_css_page_size=True, path=str(tmp_path / "receipt.pdf"))
    finally:
        context.close()
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) == 2
    assert (wide, phone) == (0, 0)
