"""The filter of the blob subscription lets through what the automations can match: files, markers, manifests."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from local.config import REPOSITORY
from shared.automations.filters import MOST_VALUES, PROBE, advanced_filters, containers, main, written
from shared.automations.loading import load
from shared.automations.models import Automation

DO = "do: {notify: {to: [ops]}}"


def automation(on: str, name: str = "x") -> Automation:
    return Automation.model_validate(YAML(typ="safe", pure=True).load(f"name: {name}\non: {on}\n{DO}"))


def comes_through(subject: str, *automations: Automation) -> bool:
    filters = advanced_filters(automations)
    return all(any(subject.startswith(value) for value in one["values"]) for one in filters)


@pytest.mark.parametrize("until", ["{marker: '{day}/_SUCCESS'}", "{manifest: 'lists/{day}.json'}"])
def test_files_markers_and_manifests_come_through_and_others_do_not(until: str) -> None:
    collect = f"collect: {{by: [day], quiet: 1m, max-wait: 1h, until: {until}}}"
    one = automation(f"[{{blob-created: {{container: drops, path: '{{day}}/*.csv', {collect}}}}}]")
    inside = "/blobServices/default/containers/drops/blobs"
    for path in ("1/a.csv", "1/_SUCCESS", "lists/1.json"):
        assert comes_through(f"{inside}/{path}", one)
    assert comes_through(f"{PROBE}latest.json", one)
    assert not comes_through("/blobServices/default/containers/drops-2/blobs/1/a.csv", one)


def test_every_kind_of_blob_trigger_counts() -> None:
    blob = "blob-created: {{container: {0}, path: 'a/*'}}"
    parts = f"{{within: 1d, of: [{{{blob.format('second')}}}, {{blob-deleted: {{container: third, path: 'a'}}}}]}}"
    on = (
        f"[{{{blob.format('first')}}}, {{all-of: {parts}}}, {{model-registered: {{model: m}}}}, "
        f"{{missing: {{every: 1d, grace: 1h, of: {{{blob.format('fourth')}}}}}}}]"
    )
    assert containers([automation(on)]) == ["first", "fourth", "second", "third"]


def test_more_containers_than_a_filter_takes_let_everything_through() -> None:
    many = [automation(f"[{{blob-created: {{container: c{n:03}, path: 'a'}}}}]") for n in range(MOST_VALUES)]
    assert advanced_filters(many) == []
    assert len(advanced_filters(many[1:])[0]["values"]) == MOST_VALUES


def test_the_kept_subscriptions_are_up_to_date_with_the_automations() -> None:
    text = (REPOSITORY / "infra" / "subscriptions.json").read_text("utf-8")
    catalogue = load(REPOSITORY / "automations", REPOSITORY)
    assert written(text, [loaded.automation for loaded in catalogue.automations.values()]) == text


def test_it_is_written_once_and_not_where_a_rule_is_broken(tmp_path: Path) -> None:
    for name in ("automations", "infra"):
        (tmp_path / name).mkdir()
    path = tmp_path / "infra" / "subscriptions.json"
    path.write_text((REPOSITORY / "infra" / "subscriptions.json").read_text("utf-8"))
    rule = tmp_path / "automations" / "x.yml"
    rule.write_text(f"name: x\non: [{{blob-created: {{container: drops, path: 'a'}}}}]\n{DO}\n")
    assert main(tmp_path) == 0
    (one,) = [each for each in json.loads(path.read_text())["subscriptions"] if each["name"] == "hub-blobs"]
    assert one["filter"]["advancedFilters"][0]["values"] == ["/blobServices/default/containers/drops/", PROBE]
    rule.write_text("name: [")
    assert main(tmp_path) == 1
    path.write_text('{"subscriptions": []}')
    with pytest.raises(ValueError, match="no subscription 'hub-blobs'"):
        written(path.read_text(), [])
