"""What operators do: start, look, cancel, retry, approve, pause, resume, close."""

from datetime import timedelta
from typing import Any


async def train(desk: Any, files: int = 3) -> str:
    """Given a burst that has become an activity: its id."""
    await desk.send(
        *(desk.blob_event(f"flights/2013-01/EWR/{n}.csv", f"0x{n}", number=n) for n in range(files)),
        desk.blob_event("flights/2013-01/_SUCCESS", "0xFF", number=99),
    )
    await desk.run(10)
    (found,) = (await desk.ask("activities")).json["items"]
    return str(found["id"])


async def test_an_activity_is_listed_and_shown_with_its_files(desk: Any) -> None:
    identifier = await train(desk)
    listed = (await desk.ask("activities", query={"automation": "delay-train", "status": "running"})).json
    assert [item["id"] for item in listed["items"]] == [identifier]
    assert listed["next"] is None
    answer = await desk.ask("activity", id=identifier)
    assert answer.headers["ETag"].startswith('"')
    assert [file["path"][-5:] for file in answer.json["files"]["items"]] == ["0.csv", "1.csv", "2.csv"]
    assert answer.json["cause"]["collection"].startswith("delay-train-")
    assert (await desk.ask("activities", query={"status": "failed"})).json["items"] == []


async def test_pages_follow_each_other_by_their_token(desk: Any) -> None:
    for number in range(5):
        desk.now += timedelta(hours=13)
        await desk.ask("automation_run", headers={"Idempotency-Key": str(number)}, name="delay-train")
    seen: list[str] = []
    token = ""
    while True:
        page = (await desk.ask("activities", query={"limit": "2", "token": token})).json
        seen += [item["created"] for item in page["items"]]
        if page["next"] is None:
            break
        token = page["next"]
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


async def test_started_twice_with_one_key_is_one_activity(desk: Any) -> None:
    first = await desk.ask(
        "automation_run", {"inputs": {"note": "a"}}, headers={"Idempotency-Key": "k"}, name="delay-train"
    )
    desk.now += timedelta(minutes=3)
    again = await desk.ask(
        "automation_run", {"inputs": {"note": "a"}}, headers={"Idempotency-Key": "k"}, name="delay-train"
    )
    other = await desk.ask(
        "automation_run", {"inputs": {"note": "b"}}, headers={"Idempotency-Key": "k"}, name="delay-train"
    )
    somebody = await desk.ask("automation_run", key="operator", headers={"Idempotency-Key": "k"}, name="delay-train")
    assert (first.status, first.json["new"], again.json["new"]) == (202, True, False)
    assert first.json["id"] == again.json["id"] != somebody.json["id"]
    assert (other.status, other.json["title"]) == (422, "Key was used")


async def test_inputs_that_do_not_fit_are_refused_with_what_would(desk: Any) -> None:
    wrong = await desk.ask("automation_run", {"inputs": {"nota": "a"}}, name="delay-train")
    assert (wrong.status, wrong.json["detail"]) == (422, "delay-train has no input nota; note")
    unknown = await desk.ask("automation_run", {"input": {}}, name="delay-train")
    assert unknown.json["errors"] == [{"at": "input", "message": "Extra inputs are not permitted"}]
    assert (await desk.ask("automation_run", {}, name="nothing")).status == 404


async def test_cancelled_by_what_was_seen(desk: Any) -> None:
    identifier = await train(desk)
    seen = (await desk.ask("activity", id=identifier)).headers["ETag"]
    desk.azureml.end_jobs()
    await desk.run(20)
    stale = await desk.ask("activity_cancel", headers={"If-Match": seen}, id=identifier)
    assert stale.status == 412
    fresh = (await desk.ask("activity", id=identifier)).headers["ETag"]
    answer = await desk.ask("activity_cancel", {"reason": "wrong data"}, headers={"If-Match": fresh}, id=identifier)
    assert answer.status == 200
    assert [(act["kind"], act["who"], act["reason"]) for act in answer.json["acts"]] == [
        ("cancel", "key:all", "wrong data")
    ]


async def test_what_cannot_be_asked_now_says_what_can(desk: Any) -> None:
    identifier = await train(desk)
    answer = await desk.ask("activity_approve", id=identifier)
    assert (answer.status, answer.json["title"]) == (409, "Not possible now")
    assert "only one that is waiting-approval" in answer.json["detail"]
    assert (await desk.ask("activity_retry", id=identifier)).status == 409
    assert (await desk.ask("hold_release", id=identifier)).status == 409


async def test_a_failed_activity_is_retried(desk: Any) -> None:
    identifier = await train(desk)
    desk.azureml.fate = "Failed"
    desk.azureml.end_jobs()
    await desk.run(60)
    answer = await desk.ask("activity_retry", id=identifier)
    assert (answer.status, answer.json["attempt"], answer.json["status"]) == (200, 2, "queued")


async def test_pauses_are_seen_until_they_end(desk: Any) -> None:
    await desk.ask("pause", {"reason": "storm"})
    await desk.ask("automation_pause", name="delay-train")
    status = (await desk.ask("status")).json
    assert (status["paused"]["reason"], status["paused_automations"][0]["name"]) == ("storm", "delay-train")
    assert (await desk.ask("automation", name="delay-train")).json["paused"]["who"] == "key:all"
    assert (await desk.ask("resume")).json == {"name": "hub", "resumed": True}
    assert (await desk.ask("resume")).json == {"name": "hub", "resumed": False}
    assert (await desk.ask("automation_resume", name="delay-train")).json["resumed"] is True
    assert (await desk.ask("automation_pause", name="nothing")).status == 404


async def test_what_a_pause_holds_goes_on_when_it_ends(desk: Any) -> None:
    await desk.ask("automation_pause", {"reason": "storm"}, name="delay-train")
    identifier = await train(desk)
    assert (await desk.ask("activity", id=identifier)).json["status"] == "held"
    (hold,) = (await desk.ask("holds")).json["items"]
    assert (hold["id"], hold["kind"]) == (identifier, "activity")
    assert "paused" in hold["reason"]
    assert (await desk.ask("status")).json["held"] == 1
    await desk.ask("automation_resume", name="delay-train")
    await desk.run(1)
    assert (await desk.ask("activity", id=identifier)).json["status"] == "running"


async def test_a_held_activity_is_released_by_name(desk: Any) -> None:
    await desk.ask("pause")
    identifier = await train(desk)
    assert (await desk.ask("hold_release", {"reason": "urgent"}, id=identifier)).status == 200
    await desk.run(1)
    assert (await desk.ask("activity", id=identifier)).json["status"] == "running"


async def test_a_list_goes_back_a_year_and_no_further(desk: Any) -> None:
    for since in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "2013-01-01T00:00:00"):
        assert (await desk.ask("activities", query={"since": since})).status == 200
    for token in ("99991231t235959-0123456789", "20139999t235959-0123456789", "x"):
        assert (await desk.ask("activities", query={"token": token})).status == 400


async def test_a_collection_is_shown_held_and_let_go(desk: Any) -> None:
    await desk.send(desk.blob_event("flights/2013-01/a.csv", "0x1"))
    (gathering,) = (await desk.ask("collections")).json["items"]
    assert (gathering["files"], gathering["by"], gathering["marker"]) == (1, {"month": "2013-01"}, False)
    assert (await desk.ask("holds")).json["items"] == []
    desk.now += timedelta(hours=3)
    (hold,) = (await desk.ask("holds")).json["items"]
    assert hold["kind"] == "collection"
    assert "marker did not come within 2h" in hold["reason"]
    assert (await desk.ask("hold_release", id=hold["id"])).json == {"id": hold["id"]}
    await desk.run(5)
    (found,) = (await desk.ask("activities")).json["items"]
    assert found["cause"]["closed_by"] == "released by key:all"
    assert (await desk.ask("collection_close", id=hold["id"])).status == 404


async def test_every_act_is_in_the_audit_trail(desk: Any) -> None:
    identifier = await train(desk)
    await desk.ask("pause", {"reason": "storm"})
    desk.now += timedelta(hours=5)
    await desk.ask("resume", key="operator")
    await desk.ask("automation_run", name="delay-train")
    await desk.ask("activity_cancel", {"reason": "wrong"}, id=identifier)
    page = (await desk.ask("audit", query={"limit": "2"})).json
    rest = (await desk.ask("audit", query={"limit": "200", "token": page["next"]})).json
    acts = [(item["who"], item["what"], item["reason"]) for item in page["items"] + rest["items"]]
    assert sorted(acts) == sorted(
        [
            ("key:all", "pause", "storm"),
            ("key:operator", "resume", ""),
            ("key:all", "run", ""),
            ("key:all", "cancel", "wrong"),
        ]
    )
    assert rest["next"] is None
    verified = (await desk.ask("audit_verify")).json
    assert (verified["entries"], verified["findings"]) == (4, [])
    assert (await desk.ask("audit", query={"token": "99999999999999-999999"})).status == 200


async def test_status_counts_what_is_open(desk: Any) -> None:
    await train(desk)
    status = (await desk.ask("status")).json
    assert status["open"]["activity"] == 1
    assert status["automations"] == {"valid": 1, "invalid": {}}
    assert set(status["queues"]) == {"hub-events", "hub-work"}


async def test_a_release_by_hand_names_its_model(desk: Any) -> None:
    folder = desk.root / "endpoints"
    folder.mkdir(exist_ok=True)
    (folder / "endpoint.yml").write_text("name: delay\nauth_mode: key\n")
    (folder / "deployment.yml").write_text("name: blue\nendpoint_name: delay\nmodel: azureml:m:1\n")
    (desk.root / "automations" / "release.yml").write_text(
        "name: let-go\non: [{model-registered: {model: m}}]\n"
        "do: {deploy: {endpoint: endpoints/endpoint.yml, deployment: endpoints/deployment.yml, "
        "gates: [{approval: {roles: [approver], quorum: 1, expires: 48h}}]}}\n"
    )
    desk.hub = desk.start()
    answer = await desk.ask("automation_run", name="let-go")
    assert (answer.status, answer.json["title"]) == (422, "Inputs do not fit")
    assert "['model', 'version']" in answer.json["detail"]
    assert (await desk.ask("activities")).json["items"] == []
