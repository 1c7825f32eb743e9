"""Triggers of other events: paired lists of what meets a rule and what does not, and why not."""

import re
from datetime import UTC, datetime
from fnmatch import translate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.automations.patterns import PathPattern
from shared.deciding.triggers import (
    AnyEvent,
    Created,
    Deleted,
    Deployed,
    Met,
    Registered,
    Rule,
    RunChanged,
    RunEnded,
    Unmet,
    glob,
    meets,
    model_name,
)
from shared.events.model import (
    BlobCreated,
    BlobDeleted,
    Event,
    Facts,
    ModelDeployed,
    ModelRegistered,
    Other,
    RunCompleted,
    RunStatusChanged,
)


def event(facts: Facts, kind: str = "com.example.Thing", data: dict[str, Any] | None = None) -> Event:
    return Event(
        "1", "/repos/team/code", kind, "refs/heads/main", datetime(2026, 5, 1, tzinfo=UTC), data or {}, facts, {}
    )


PUSH = event(Other(), "GitHub.Push")
MODEL = event(ModelRegistered("ws", "arrival-delay", "3", {"stage": "candidate"}))
DEPLOYED = event(ModelDeployed("ws", "delay", ("arrival-delay:3", "azureml:carrier:1")))
RUN = event(RunCompleted("ws", "delay", "r1", {"team": "ops"}), data={"RunType": "azureml.PipelineRun"})
STATUS = event(RunStatusChanged("ws", "delay", "r1", "failed", {"team": "ops"}), data={"runType": "azureml.scriptrun"})
THERE = event(BlobCreated("landing", "flights", "2013-01/EWR.csv", "e", 1, "PutBlob"))
GONE = event(BlobDeleted("landing", "flights", "2013-01/EWR.csv"))


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (AnyEvent(type="github.push"), PUSH),
        (AnyEvent(type="GitHub.*", source="/repos/TEAM/*", subject="refs/heads/*"), PUSH),
        (Registered("arrival-delay"), MODEL),
        (Registered("arrival-*", {"stage": "cand*"}), MODEL),
        (Deployed(), DEPLOYED),
        (Deployed(service="delay", model="carrier"), DEPLOYED),
        (RunEnded(), RUN),
        (RunEnded("del*", "azureml.pipelinerun", {"team": "*"}), RUN),
        (RunChanged(frozenset({"failed", "canceled"})), STATUS),
        (RunChanged(frozenset(), "delay", "azureml.scriptrun", {"team": "ops"}), STATUS),
    ],
)
def test_what_meets_a_rule(rule: Rule, told: Event) -> None:
    assert meets(rule, told) == Met()


@pytest.mark.parametrize(
    ("rule", "told", "reason"),
    [
        (AnyEvent(type="github.pull"), PUSH, "type 'GitHub.Push' is not"),
        (AnyEvent(type="GitHub.*", subject="refs/tags/*"), PUSH, "subject"),
        (Registered("arrival"), MODEL, "model 'arrival-delay' is not 'arrival'"),
        (Registered("*", {"stage": "live"}), MODEL, "tag stage 'candidate' is not 'live'"),
        (Registered("*", {"owner": "*"}), MODEL, "no tag 'owner'"),
        (Registered("*"), PUSH, "registers no model"),
        (Deployed(model="arrival"), DEPLOYED, "are not 'arrival'"),
        (RunEnded(experiment="other"), RUN, "experiment"),
        (RunEnded(run_type="azureml.scriptrun"), RUN, "run type"),
        (RunEnded(), STATUS, "completes no run"),
        (RunChanged(frozenset({"completed"})), STATUS, "'failed' is none of completed"),
        (Deleted("flights", PathPattern.parse("*.csv")), GONE, "does not match"),
        (Deleted("other", PathPattern.parse("**")), GONE, "container"),
        (Deleted("flights", PathPattern.parse("**"), "elsewhere"), GONE, "account"),
    ],
)
def test_what_does_not_meet_a_rule_and_why(rule: Rule, told: Event, reason: str) -> None:
    result = meets(rule, told)
    assert isinstance(result, Unmet)
    assert reason in result.reason


def test_a_deleted_blob_gives_its_captures() -> None:
    rule = Deleted("flights", PathPattern.parse("{month}/*.csv"), "Landing")
    assert meets(rule, GONE) == Met({"month": "2013-01"})
    assert meets(Created("flights", PathPattern.parse("{month}/*.csv")), THERE) == Met({"month": "2013-01"})
    assert isinstance(meets(rule, THERE), Unmet)


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("arrival-delay:3", "arrival-delay"),
        ("azureml:arrival-delay:3", "arrival-delay"),
        ("arrival-delay", "arrival-delay"),
        ("azureml://registries/team/models/arrival-delay/versions/3", "arrival-delay"),
        ("/subscriptions/s/workspaces/w/models/arrival-delay/versions/3", "arrival-delay"),
    ],
)
def test_the_name_in_a_models_id(identifier: str, name: str) -> None:
    assert model_name(identifier) == name


@given(st.text("ab*?[", max_size=8), st.text("ab[*", max_size=10))
def test_globs_are_those_of_the_shell_without_sets(pattern: str, text: str) -> None:
    assert glob(pattern, text) == bool(re.match(translate(pattern.replace("[", "[[]")), text))


def test_a_hostile_glob_is_answered_at_once() -> None:
    assert not glob("*a" * 200 + "b", "a" * 4096)
