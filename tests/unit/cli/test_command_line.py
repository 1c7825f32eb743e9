"""What an operator does by command line alone, and what it says when something is wrong."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli import laptop
from cli.client import HubError, find
from cli.console import Screen
from cli.subscriptions import findings
from shared.ledger.protocol import Row, Table, Upsert

ROOT = Path(__file__).parents[3]


def burst(desk: Any) -> list[Any]:
    return [
        *(desk.blob_event(f"flights/2013-01/{n}.csv", f"0x{n}", number=n) for n in range(3)),
        desk.blob_event("flights/2013-01/_SUCCESS", "0xFF", number=9),
    ]


def test_start_watch_cancel(terminal: Any) -> None:
    code, out, _ = terminal.run("run", "delay-train", "note=7", "--key", "k")
    assert code == 0
    identifier = out.split(";")[0]
    assert terminal.json("activities", identifier)["inputs"] == {"note": "7"}
    assert terminal.json("run", "delay-train", "note=7", "--key", "k") == {"id": identifier, "new": False}
    code, out, _ = terminal.run("activities")
    assert identifier in out
    assert "queued" in out
    assert terminal.run("cancel", identifier, "--reason", "mistake")[0] == 0
    terminal.wait(terminal.desk.run(5))
    code, out, _ = terminal.run("activities", identifier)
    assert "cancelled by key:all: mistake" in out


def test_followed_to_an_end_that_is_no_success_is_1(terminal: Any) -> None:
    identifier = terminal.json("run", "delay-train")["id"]
    terminal.wait(terminal.desk.run(60))
    code, out, _ = terminal.run("run", "delay-train", "--key", "again", "--json")
    assert code == 0
    terminal.wait(terminal.desk.run(60))
    code, out, _ = terminal.run("run", "delay-train", "--key", "again", "--wait")
    assert code == 1
    assert "dataset flights is empty" in out
    assert terminal.json("activities", identifier)["status"] == "failed"
    assert terminal.run("acknowledge", identifier, "--reason", "seen")[0] == 0
    assert terminal.json("activities", identifier)["acts"][-1]["kind"] == "acknowledge"
    assert terminal.run("retry", identifier)[0] == 0


def test_what_gathers_is_seen_and_closed(terminal: Any) -> None:
    terminal.wait(terminal.desk.send(*burst(terminal.desk)[:2]))
    code, out, _ = terminal.run("collections")
    assert code == 0
    assert "month=2013-01" in out
    (one,) = terminal.json("collections")["items"]
    assert terminal.run("collections", "--close", one["id"])[0] == 0
    assert terminal.run("holds")[1].strip() == "nothing is held"
    code, out, _ = terminal.run("events")
    assert "collected" in out
    assert terminal.json("events", "--outcome", "ignored")["items"] == []


def test_a_file_that_did_nothing_is_explained(terminal: Any) -> None:
    terminal.wait(terminal.desk.send(terminal.desk.blob_event("flights/2013-01/a.txt", "0x1")))
    code, out, _ = terminal.run("why", "landing/flights/2013-01/a.txt")
    assert code == 0
    assert "✗ path: expected flights/{month}/**/*.csv" in out
    assert "its end has 'a.txt', '*.csv' is expected" in out
    code, out, _ = terminal.run("why", "landing/flights/2013-01/never.csv")
    assert code == 1
    assert out.startswith("no such event was received")


def test_events_are_tried_by_other_rules(terminal: Any, tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text(json.dumps(burst(terminal.desk)))
    code, out, _ = terminal.run("simulate", str(tmp_path / "events.json"))
    assert code == 0
    assert "marker came" in out
    found = terminal.json("simulate", str(tmp_path / "events.json"), "--rules", str(terminal.desk.root))
    assert [one["files"] for one in found["activities"]] == [3]
    assert terminal.run("simulate", str(tmp_path / "nothing.json"))[0] == 2
    assert terminal.run("simulate", str(tmp_path / "events.json"), "--rules", str(tmp_path))[0] == 2
    assert terminal.json("activities")["items"] == []


def test_events_are_sent_and_sent_again(terminal: Any, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(json.dumps(event) for event in burst(terminal.desk)))
    assert terminal.run("emit", str(path))[:2] == (0, "4 new, 0 known, 0 broken\n")
    assert terminal.run("emit", "--type", "team.pushed", "--data", '{"a": 1}')[:2] == (0, "1 new, 0 known, 0 broken\n")
    (tmp_path / "broken.json").write_text('{"nonsense": 1}')
    assert terminal.run("emit", str(tmp_path / "broken.json"))[0] == 1
    assert terminal.run("emit")[0] == 2
    code, out, _ = terminal.run("dead-letters")
    assert "quarantine" in out
    letter = terminal.json("dead-letters")["items"][0]["id"]
    code, out, _ = terminal.run("replay", letter)
    assert code == 0
    assert "nothing was sent: add --yes" in out
    assert terminal.json("replay", letter, "--yes")["done"] is True
    event = terminal.json("events", "--outcome", "collected")["items"][0]["id"]
    assert "it folds" in terminal.run("replay", event)[1]
    assert terminal.run("replay", "--span")[0] == 2
    code, _, err = terminal.run("replay", "nonsense")
    assert (code, err) == (
        2,
        "hub: 'nonsense' is no id: hub events lists those of events, hub dead-letters the others\n",
    )
    found = terminal.json("replay", "--span", "--since", "2013-01-01T00:00:00Z", "--outcome", "ignored", "--again")
    assert (found["events"], found["known"], found["done"]) == (1, 0, False)


def test_times_are_spans_or_moments_everywhere(terminal: Any) -> None:
    for verb in (("activities",), ("backfill", "delay-train"), ("replay", "--refused-by", "delay-train")):
        code, _, err = terminal.run(*verb, "--since", "yesterday")
        assert (code, err) == (2, "hub: 'yesterday' is no time: 2013-02-01T00:00:00Z, or 30d for 30 days ago\n")
    assert terminal.run("activities", "--since", "30d")[0] == 0
    assert terminal.run("backfill", "delay-train", "--since", "12h", "--until", "1h")[0] == 0


def test_what_is_over_is_not_told_to_be_tried_again(terminal: Any) -> None:
    identifier = terminal.json("run", "delay-train")["id"]
    assert terminal.run("retry", identifier)[2].endswith("only a failed, refused or cancelled one can be retried\n")
    terminal.run("cancel", identifier)
    terminal.wait(terminal.desk.run(5))
    assert terminal.run("approve", identifier)[2].endswith(
        "is cancelled: nothing more can be asked of it but a retry\n"
    )


def test_rules_are_compared_over_history(terminal: Any) -> None:
    terminal.wait(terminal.desk.send(*burst(terminal.desk)))
    terminal.wait(terminal.desk.run(20))
    root = str(terminal.desk.root)
    until = "2013-03-01T00:00:00Z"
    code, out, _ = terminal.run("backtest", "--since", "2013-01-20T00:00:00Z", "--until", until, "--rules", root)
    assert code == 0
    assert "no difference" in out
    text = (terminal.desk.root / "automations" / "train.yml").read_text()
    (terminal.desk.root / "automations" / "train.yml").write_text(text.replace("container: landing", "container: none"))
    code, out, _ = terminal.run("backtest", "--since", "2013-01-20T00:00:00Z", "--until", until, "--rules", root)
    assert code == 0
    assert "does not begin" in out
    assert terminal.run("backtest", "--since", "yesterday", "--rules", root)[0] == 2


def test_older_files_are_brought_in_only_when_asked(terminal: Any) -> None:
    code, out, _ = terminal.run("backfill", "delay-train")
    assert code == 0
    assert "no file matches" in out
    assert terminal.run("backfill", "nothing")[0] == 1


def test_a_model_and_a_file_tell_of_each_other(terminal: Any, tmp_path: Path) -> None:
    desk = terminal.desk
    terminal.wait(desk.send(*burst(desk)))
    for _ in range(4):
        terminal.wait(desk.run(120))
        desk.azureml.end_jobs()
    ((name, version),) = desk.azureml.models
    code, out, _ = terminal.run("receipt", name, version)
    assert code == 0
    assert f"dataset flights:{version}, 3 files" in out
    assert terminal.json("receipt", f"{name}:{version}")["made_by"]["id"] == version
    assert terminal.run("receipt", name)[0] == 2
    assert terminal.run("receipt", name, "1")[0] == 1
    assert terminal.run("receipt", name, version, "--html", str(tmp_path / "r.html"))[0] == 0
    assert "Receipt of arrival-delay" in (tmp_path / "r.html").read_text()
    code, out, err = terminal.run("used-by", "landing/flights/2013-01/0.csv")
    assert (code, err) == (0, "")
    assert f"arrival-delay:{version}" in out


async def alter_the_first_entry(table: Table) -> list[str]:
    """Change a word in the first entry of every chain; give the chains."""
    chains = [row.key for row in await table.scan("chains")]
    for chain in chains:
        entry = await table.get(chain, "e:00000001")
        assert entry is not None
        altered = {**entry.cells, "entry": bytes(entry.cells["entry"]).replace(b"storm", b"calm!")}  # type: ignore[arg-type]
        await table.apply([Upsert(Row(chain, entry.key, altered))])
    return chains


def test_the_audit_trail_is_listed_and_checked(terminal: Any) -> None:
    terminal.run("pause", "--reason", "storm")
    code, out, _ = terminal.run("audit")
    assert code == 0
    assert "storm" in out
    code, out, _ = terminal.run("audit", "verify")
    assert (code, "1 entries" in out) == (0, True)
    assert terminal.run("audit", "--verify")[0] == 0
    (chain,) = asyncio.run(alter_the_first_entry(terminal.desk.store.table("audit")))
    code, out, _ = terminal.run("audit", "verify")
    assert code == 1
    assert "was changed: its hash is another" in out
    (finding,) = json.loads(terminal.run("audit", "verify", "--json")[1])["findings"]
    assert (finding["chain"], finding["number"]) == (chain, 1)
    assert terminal.run("endpoints")[0] == 0
    assert terminal.run("rollback", "delay")[0] == 1


def test_the_doctor_names_what_is_wrong_and_what_mends_it(terminal: Any) -> None:
    terminal.run("pause", "--reason", "storm")
    terminal.wait(terminal.desk.hub.letters.record("events", b"{}", terminal.desk.now, "it failed"))
    code, out, _ = terminal.run("doctor")
    assert code == 1
    assert "./hub resume" in out
    assert "--yes" in out
    assert "make up DETACH=1" in out
    found = json.loads(terminal.run("doctor", "--json")[1])
    states = {check["what"]: check["state"] for check in found["checks"]}
    assert states["workspace"] == "ok"
    assert states["dead letters"] == "wrong"
    assert states["clock"] == "wrong"


def test_rules_that_changed_since_a_laptop_s_hub_began_are_named(
    terminal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = terminal.desk.root
    monkeypatch.setattr(laptop, "parts", lambda _: {"items": [], "root": str(root)})
    assert "changed since" not in terminal.run("automations")[1]
    (root / "automations" / "new.yml").write_text("name: new\ndo: {notify: {to: [ops]}}\n")
    (root / "automations" / "typo.yml").write_text("name: typo\n")
    out = terminal.run("automations")[1]
    assert "changed since the hub began: automations/typo.yml, new; have it read them: curl -X POST http://" in out
    said = {one["what"]: one["said"] for one in json.loads(terminal.run("doctor", "--json")[1])["checks"]}
    assert said["rules of the hub"] == "changed since it began: automations/typo.yml, new"


def test_the_doctor_reads_the_subscriptions(tmp_path: Path) -> None:
    given = json.loads((ROOT / "infra" / "subscriptions.json").read_text())
    assert {state for _, state, _, _ in findings(ROOT)} == {"ok"}
    for folder in ("infra", "functions", "automations"):
        (tmp_path / folder).mkdir()
    (tmp_path / "functions" / "events.py").write_text('@events.function_name("events_push")')
    (tmp_path / "automations" / "a.yml").write_text(
        "name: a\non: [{blob-deleted: {container: elsewhere, path: '*'}}]\n"
        "do: {webhook: {url: 'https://example.org/'}}\n---\n"
        "name: b\ndo: {webhook: {url: 'https://example.org/'}}\non:\n"
        "- all-of: {within: 1h, of: [{blob-created: {container: weather, path: x}}, {model-registered: {model: m}}]}\n"
        "- missing: {of: {blob-created: {container: landing, path: '*'}}, every: 1d, grace: 1h}\n"
    )
    for one in given["subscriptions"]:
        if one["topic"] == "workspace":
            one["destination"]["function"] = "event_push"
            one["filter"]["includedEventTypes"] = ["Microsoft.MachineLearningServices.DatasetDriftDetected"]
            del one["deadLetter"]
    (tmp_path / "infra" / "subscriptions.json").write_text(json.dumps(given))
    wrong = [said for _, state, said, _ in findings(tmp_path) if state == "wrong"]
    assert any("'event_push', which does not exist" in said for said in wrong)
    assert any("no dead-letter container" in said for said in wrong)
    assert any("DatasetDriftDetected is of the first monitors" in said for said in wrong)
    assert [said for said in wrong if said.startswith("no subscription lets")] == [
        "no subscription lets Microsoft.Storage.BlobDeleted of /blobServices/default/containers/elsewhere/ through",
        "no subscription lets Microsoft.Storage.BlobCreated of /blobServices/default/containers/weather/ through",
        "no subscription lets Microsoft.MachineLearningServices.ModelRegistered through",
    ]


def test_one_picture_of_what_happens(terminal: Any) -> None:
    terminal.wait(terminal.desk.send(*burst(terminal.desk)))
    terminal.wait(terminal.desk.run(10))
    code, out, _ = terminal.run("dev", "--once")
    assert code == 0
    assert "check waiting" in out
    assert "kill the host" in out
    assert terminal.run("dev")[0] == 2


def test_pauses(terminal: Any) -> None:
    assert terminal.run("pause", "--reason", "storm")[0] == 0
    assert terminal.run("pause", "delay-train")[0] == 0
    code, out, _ = terminal.run("status")
    assert code == 0
    assert "storm" in out
    assert "paused delay-train" in out
    assert terminal.run("resume")[0] == 0
    assert terminal.run("resume") == (1, "the hub was not paused\n", "")


def test_refusals_are_1_and_say_what_would_be_right(terminal: Any) -> None:
    code, _, err = terminal.run("run", "delay-train", "nota=1")
    assert (code, err) == (1, "hub: delay-train has no input nota; note\n")
    code, _, err = terminal.run("activities", "20130101t000000-0123456789")
    assert code == 1
    assert "no activity" in err
    code, out, _ = terminal.run("retry", "nonsense", "--json")
    assert code == 1
    assert "error" in json.loads(out)


def test_wrong_usage_is_2(terminal: Any) -> None:
    assert terminal.run("fly")[0] == 2
    assert terminal.run("activities", "--limit", "0")[0] == 2
    assert terminal.run("run", "delay-train", "note")[0] == 2


def test_without_a_verb_it_tells_all_of_them(terminal: Any) -> None:
    code, out, _ = terminal.run()
    assert (code, "usage: hub" in out, "doctor" in out, "Begin with:" in out) == (0, True, True, True)


def test_a_hub_that_does_not_run_is_started_with_make_up(
    terminal: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUB_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HUB_KEY", "k")
    code, _, err = terminal.run("status")
    assert code == 1
    assert "make up" in err
    monkeypatch.delenv("HUB_URL")
    monkeypatch.setenv("HUB_LOCAL_DIR", str(tmp_path / "nothing"))
    assert "make up" in terminal.run("status")[2]


def test_a_wrong_key_says_where_it_came_from(terminal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KEY", "wrong")
    code, _, err = terminal.run("status")
    assert code == 1
    assert "set HUB_KEY" in err


def test_the_laptop_s_key_goes_nowhere_else(terminal: Any) -> None:
    with pytest.raises(HubError, match="no key for https"):
        find("https://elsewhere.example")
    with pytest.raises(HubError, match="use https"):
        find("http://elsewhere.example")
    with pytest.raises(HubError, match="is no address"):
        find("ftp://elsewhere.example")


def test_what_comes_from_outside_cannot_drive_the_terminal(terminal: Any) -> None:
    terminal.wait(terminal.desk.send(terminal.desk.blob_event("flights/2013-01/[red]\u202e\u009b31m.csv", "0x1")))
    _, out, _ = terminal.run("events")
    assert "[red]\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}31m" in out


def test_automations_are_checked_without_a_hub(terminal: Any, tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert terminal.run("validate", str(root / "automations"), "--root", str(root))[0] == 0
    (root / "automations" / "bad.yml").write_text("name: bad\ndo: {train: {jab: a.yml}}\n")
    code, out, _ = terminal.run("validate", str(root / "automations"), "--root", str(root))
    assert code == 1
    assert "automations/bad.yml:2:" in out
    assert "did you mean 'job'?" in out
    code, out, _ = terminal.run("validate", str(root / "automations" / "train.yml"), "--root", str(root), "--json")
    assert code == 0
    assert [one["name"] for one in json.loads(out)["valid"]] == ["delay-train"]
    assert terminal.run("validate", str(tmp_path / "nowhere"))[0] == 2


def test_the_schema_is_that_of_the_models(terminal: Any) -> None:
    schema = json.loads(terminal.run("schema")[1])
    assert schema["properties"]["name"]["type"] == "string"
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("folder", ["/", "/tmp"])
def test_it_works_from_any_folder(folder: str) -> None:
    done = subprocess.run([ROOT / "hub", "schema"], cwd=folder, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    json.loads(done.stdout)


def test_without_its_environment_it_says_how_to_make_it(tmp_path: Path) -> None:
    (tmp_path / "hub").write_bytes((ROOT / "hub").read_bytes())
    done = subprocess.run(["sh", tmp_path / "hub", "status"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "setup" in done.stderr


def test_a_table_that_is_too_wide_for_the_terminal_has_its_rows_below_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen()
    screen.out = Console(width=50, file=sys.stdout, soft_wrap=True)
    rows = [
        ("20130201t060000-0123456789", "delay-train", "failed", "it broke"),
        ("20130201t060001-0123456789", "", "", ""),
    ]
    screen.table(("activity", "automation", "status", "reason"), rows)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "20130201t060000-0123456789",
        "  automation  delay-train",
        "  status      failed",
        "  reason      it broke",
        "20130201t060001-0123456789",
    ]
    screen.out = Console(width=80, file=sys.stdout, soft_wrap=True)
    screen.table(("activity", "automation", "status", "reason"), rows)
    assert capsys.readouterr().out.startswith("activity                    automation")
