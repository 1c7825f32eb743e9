"""The receipt of a model version, and which models a file went into."""

from typing import Any


async def registered(desk: Any, month: str = "2013-01") -> str:
    """Given a month that became a model: its version."""
    await desk.send(
        *(desk.blob_event(f"flights/{month}/<b>{n}.csv", f"0x{month}{n}", number=n) for n in range(3)),
        desk.blob_event(f"flights/{month}/_SUCCESS", f"0xF{month}", number=9),
    )
    for _ in range(5):
        await desk.run(120)
        desk.azureml.end_jobs()
    return max(version for _, version in desk.azureml.models)


async def test_a_receipt_shows_every_link(desk: Any) -> None:
    version = await registered(desk)
    made = (await desk.ask("receipt", name="arrival-delay", version=version)).json
    assert made["missing"] == []
    assert made["made_by"]["id"] == version
    assert made["made_by"]["rules"].startswith("name: delay-train") or "delay-train" in made["made_by"]["rules"]
    assert [event["type"].rpartition(".")[2] for event in made["events"]] == ["BlobCreated"] * 3
    assert [file["etag"] for file in made["dataset"]["listed"]] == ["0x2013-010", "0x2013-011", "0x2013-012"]
    assert made["lineage"]["hub.dataset"] == f"flights:{version}"
    train = next(step for step in made["made_by"]["steps"] if step["name"] == "train")
    assert train["detail"]["job"] == f"hub-{version}-train-1"
    assert len(made["digest"]) == 64
    again = (await desk.ask("receipt", name="arrival-delay", version=version)).json
    assert again == made


async def test_the_same_as_a_page_that_runs_nothing(desk: Any) -> None:
    version = await registered(desk)
    answer = await desk.ask(
        "receipt", headers={"Accept": "text/html,application/xhtml+xml"}, name="arrival-delay", version=version
    )
    assert answer.kind == "text/html"
    assert "<h1>Receipt of arrival-delay" in answer.text
    assert "&lt;b&gt;0.csv" in answer.text
    assert "<b>" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_version_that_nobody_registered(desk: Any) -> None:
    assert (await desk.ask("receipt", name="arrival-delay", version="1")).status == 404
    assert (await desk.ask("receipt", name="../x", version="1")).status == 404


async def test_a_version_that_others_made_says_what_is_missing(desk: Any) -> None:
    workspace = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"
    event = {
        "id": "1",
        "topic": workspace,
        "subject": "models/m:7",
        "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
        "eventTime": "2013-01-01T00:00:00Z",
        "data": {"ModelName": "m", "ModelVersion": 7},
        "dataVersion": "",
    }
    await desk.ask("events_post", event)
    made = (await desk.ask("receipt", name="m", version="7")).json
    assert "did not make this version" in made["missing"][0]


async def test_a_file_goes_into_every_model_whose_dataset_held_it(desk: Any) -> None:
    first = await registered(desk)
    second = await registered(desk, "2013-02")
    found = (await desk.ask("files_used_by", query={"url": "landing/flights/2013-01/<b>0.csv"})).json
    assert [(use["version"], use["read_as"]) for use in found["uses"]] == [
        (second, ["dataset"]),
        (first, ["new files", "dataset"]),
    ]
    assert found["complete"] is True
    later = (await desk.ask("files_used_by", query={"url": "landing/flights/2013-02/<b>0.csv"})).json
    assert [use["version"] for use in later["uses"]] == [second]
    assert (await desk.ask("files_used_by", query={"url": "landing/never.csv"})).status == 404
    assert (await desk.ask("files_used_by", query={"url": "http://elsewhere/landing/a"})).status == 400
    assert (await desk.ask("files_used_by", query={"url": "models/m:1"})).status == 400
