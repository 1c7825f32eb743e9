"""Which automations an event concerns: tables, and that an event's meaning depends on nothing but the rules."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.automations.models import Automation
from shared.automations.patterns import PathPattern
from shared.deciding.matching import Decision, Match, Matcher
from shared.events.model import Event
from shared.events.parsing import parse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN = frozenset({("hubstorage", "hub"), ("landing", "scored")})


def automation(name: str, *triggers: dict[str, Any], own: bool = False) -> Automation:
    return Automation.model_validate(
        {
            "name": name,
            "on": [{"blob-created": trigger} for trigger in triggers],
            "do": {"train": {"job": "jobs/train.yml"}},
            "own-outputs": own,
        }
    )


MARKED = {
    "container": "landing",
    "path": "flights/{month}/**",
    "collect": {"by": ["month"], "quiet": "2m", "max-wait": "2h", "until": {"marker": "flights/{month}/_SUCCESS"}},
}
RULES = [
    automation("train", MARKED),
    automation(
        "csv", {"container": "landing", "path": "**/*.csv"}, {"container": "landing", "path": "flights/**/EWR.*"}
    ),
    automation("one-account", {"account": "landing", "container": "landing", "path": "weather/**"}),
    automation("scores", {"container": "scored", "path": "**"}, own=True),
    automation("blind", {"container": "scored", "path": "**"}),
]


def told(
    path: str, container: str = "landing", account: str = "landing", api: str = "PutBlob", kind: str = "BlobCreated"
) -> Event:
    event = {
        "id": "1",
        "topic": f"/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/{account}",
        "subject": f"/blobServices/default/containers/{container}/blobs/{path}",
        "eventType": f"Microsoft.Storage.{kind}",
        "data": {"api": api, "eTag": "0x1", "contentLength": 1},
    }
    (read,) = parse(json.dumps(event), NOW)
    assert isinstance(read, Event), read
    return read


def decided(*args: Any, **more: Any) -> Decision:
    return Matcher(RULES, OWN).decide(told(*args, **more))


@pytest.mark.parametrize(
    ("path", "matches"),
    [
        ("flights/2013-01/x.parquet", [Match("train", 0, "file", {"month": "2013-01"})]),
        ("flights/2013-01/_SUCCESS", [Match("train", 0, "marker", {"month": "2013-01"})]),
        ("flights/2013-01/d/_SUCCESS", [Match("train", 0, "file", {"month": "2013-01"})]),
        (
            "flights/2013-01/EWR.csv",
            [Match("train", 0, "file", {"month": "2013-01"}), Match("csv", 0, "file"), Match("csv", 1, "file")],
        ),
        ("weather/2013.json", [Match("one-account", 0, "file")]),
    ],
)
def test_a_file_meets_every_trigger_that_fits_as_a_file_or_a_marker(path: str, matches: list[Match]) -> None:
    assert list(decided(path).matches) == matches


@pytest.mark.parametrize(
    ("args", "more", "reason"),
    [
        (
            ["x.txt"],
            {},
            (
                "path x.txt matches none of csv: **/*.csv, csv: flights/**/EWR.*, "
                "one-account: weather/**, train: flights/{month}/**"
            ),
        ),
        (["x.csv", "nowhere"], {}, "no automation listens to container nowhere"),
        (
            ["x.csv"],
            {"api": "CreateFile"},
            "CreateFile creates the blob only; the event that its content is there follows",
        ),
        (["x.csv"], {"kind": "BlobDeleted"}, "no automation waits for Microsoft.Storage.BlobDeleted"),
        (["x.csv"], {"kind": "BlobTierChanged"}, "no automation waits for Microsoft.Storage.BlobTierChanged"),
    ],
)
def test_what_meets_nothing_says_why(args: list[str], more: dict[str, str], reason: str) -> None:
    assert decided(*args, **more) == Decision((), reason)


def test_a_trigger_of_one_account_takes_no_other() -> None:
    assert not decided("weather/2013.json", account="other").matches
    assert decided("a.csv", account="other").matches == (Match("csv", 0, "file"),)


def test_what_the_hub_wrote_starts_only_what_asks_for_it() -> None:
    assert decided("a/b", container="scored").matches == (Match("scores", 0, "file"),)
    assert [one.automation for one in decided("a/b", container="scored", account="other").matches] == [
        "scores",
        "blind",
    ]
    only_blind = Matcher([RULES[-1]], OWN)
    assert only_blind.decide(told("a/b", container="scored")) == Decision(
        (), "the hub made this itself (own-outputs is not set)"
    )


def test_no_automation_at_all_matches_nothing() -> None:
    assert Matcher([]).decide(told("a")).matches == ()


NAMES = st.lists(st.sampled_from(["a", "b", "*", "{x}", "_SUCCESS"]), min_size=1, max_size=2).map("".join)
PATTERNS = (
    st.lists(NAMES | st.just("**"), min_size=1, max_size=4).map("/".join).filter(lambda text: text.count("{x}") < 2)
)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "_SUCCESS"]), min_size=1, max_size=4).map("/".join)


@given(
    st.lists(st.tuples(st.sampled_from(["one", "two"]), PATTERNS), max_size=6), PATHS, st.randoms(use_true_random=False)
)
def test_the_index_finds_what_trying_every_rule_finds(rules: list[tuple[str, str]], path: str, random: Any) -> None:
    automations = [
        automation(f"rule-{number}", {"container": container * 2, "path": pattern})
        for number, (container, pattern) in enumerate(rules)
    ]
    by_hand = {
        f"rule-{number}": captures
        for number, (container, pattern) in enumerate(rules)
        if container == "one" and (captures := PathPattern.parse(pattern).match(path)) is not None
    }
    random.shuffle(automations)
    decision = Matcher(automations).decide(told(path, container="oneone"))
    assert {match.automation: match.captures for match in decision.matches} == by_hand
    assert bool(decision.reason) != bool(by_hand)
