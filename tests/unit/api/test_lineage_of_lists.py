"""Receipts and files that are followed, where files were frozen by a list: no copies, and the etags that were read."""

from typing import Any

import pytest


@pytest.fixture
def desk(desk: Any) -> Any:
    """A hub that copies 25 bytes at most."""
    desk.environment = {"HUB_FREEZE_COPY_MOST": "25"}
    desk.hub = desk.start()
    return desk


async def registered(desk: Any) -> str:
    files = [desk.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}", number=n) for n in range(3)]
    await desk.send(*files, desk.blob_event("flights/2013-01/_SUCCESS", "0xF", number=9))
    await desk.run(10)
    await desk.finish()
    ((_, version),) = desk.azureml.models
    return str(version)


async def test_a_receipt_says_that_there_are_no_copies(desk: Any) -> None:
    version = await registered(desk)
    made = (await desk.ask("receipt", name="arrival-delay", version=version)).json
    for link, step in (("new_files", "files"), ("dataset", "dataset")):
        data = made[link]
        assert (data["frozen_as"], data["files"], data["size"]) == ("list", 3, 30)
        assert data["uri"].endswith(f"/frozen/{version}/{step}-list/")
        assert [(file["container"], file["path"], file["etag"], file["origin"]) for file in data["listed"]] == [
            ("landing", f"flights/2013-01/{n}.csv", f"0x{n}", "") for n in range(3)
        ]
    page = await desk.ask("receipt", headers={"Accept": "text/html"}, name="arrival-delay", version=version)
    assert "a list of paths and etags, checked before and after each job; no copies" in page.text
    assert "landing/flights/2013-01/0.csv" in page.text


async def test_a_file_of_a_list_is_followed_to_its_models(desk: Any) -> None:
    version = await registered(desk)
    found = (await desk.ask("files_used_by", query={"url": "landing/flights/2013-01/1.csv"})).json
    (use,) = found["uses"]
    assert (use["version"], use["read_as"], use["etag"]) == (version, ["new files", "dataset"], "0x1")
    assert (use["dataset"], use["copies"]) == (f"flights:{version}", [])


async def test_why_and_the_activity_show_how_it_was_frozen(desk: Any) -> None:
    version = await registered(desk)
    activity = (await desk.ask("activity", id=version)).json
    steps = {step["name"]: step["detail"] for step in activity["steps"]}
    assert (steps["files"]["frozen_as"], steps["files"]["datastores"]) == ("list", {"landing/landing": "landing"})
    said = (await desk.ask("why", query={"subject": "landing/flights/2013-01/1.csv"})).json
    assert version in str(said)
