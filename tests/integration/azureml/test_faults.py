"""Faults on demand: what a client sees, and that the effect is what the fault says."""

from typing import Any

import pytest
from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import ManagedOnlineEndpoint
from azure.core.exceptions import HttpResponseError


def job(name: str) -> Any:
    return command(name=name, command="echo hi", environment="plain@latest", compute="cpu-cluster", experiment_name="f")


def test_refusals_pass_after_as_many_tries_as_were_set(ml: MLClient, unique: str, fault: Any, wait: Any) -> None:
    fault({"fault": "status", "code": 429, "retryAfter": 0, "times": 2, "match": f"PUT .*/jobs/{unique}"})
    ml.jobs.create_or_update(job(unique))
    assert wait(ml, unique).status == "Completed"


def test_a_refusal_without_end_is_an_error_and_makes_nothing(ml: MLClient, unique: str, fault: Any) -> None:
    fault({"fault": "status", "code": 400, "times": -1, "match": f"PUT .*/jobs/{unique}"})
    with pytest.raises(HttpResponseError):
        ml.jobs.create_or_update(job(unique))
    assert unique not in [item.name for item in ml.jobs.list()]


def test_a_lost_answer_has_its_effect_and_the_clients_own_retry_finds_the_job(
    ml: MLClient, laptop: Any, unique: str, fault: Any, wait: Any
) -> None:
    fault({"fault": "lost", "match": f"PUT .*/jobs/{unique}"})
    made = ml.jobs.create_or_update(job(unique))
    assert made.name == unique
    assert wait(ml, unique).status == "Completed"
    assert "fault lost strikes" in laptop.log.read_text()


def test_a_job_fails_with_the_reason_that_was_set(ml: MLClient, unique: str, fault: Any, wait: Any) -> None:
    fault({"fault": "job", "match": unique, "error": "the node was lost"})
    ml.jobs.create_or_update(job(unique))
    assert wait(ml, unique).status == "Failed"
    with pytest.raises(Exception, match="the node was lost"):
        ml.jobs.stream(unique)


def test_an_operation_fails_with_the_reason_that_was_set(ml: MLClient, unique: str, fault: Any) -> None:
    fault({"fault": "operation", "match": f"onlineEndpoints/{unique}", "error": "no capacity", "code": "OutOfCapacity"})
    with pytest.raises(HttpResponseError, match="no capacity"):
        ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=unique)).result()
    assert ml.online_endpoints.get(unique).provisioning_state == "Failed"
    ml.online_endpoints.begin_delete(unique).result()


def test_a_fault_that_makes_no_sense_is_refused(fault: Any) -> None:
    with pytest.raises(Exception, match="400"):
        fault({"fault": "earthquake"})
