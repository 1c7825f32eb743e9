"""The retry ladder as a table. Source: https://learn.microsoft.com/azure/event-grid/delivery-and-retry."""

import pytest

from local.eventgrid import ladder

HOUR = 3600.0


def test_the_steps_are_the_documented_ones() -> None:
    waits = [ladder.wait(500, attempts, resource=False, random=0.5) for attempts in range(1, 13)]
    assert waits == [10, 30, 60, 300, 600, 1800, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 12 * HOUR, 12 * HOUR]


def test_every_step_is_randomized_a_little() -> None:
    assert ladder.wait(500, 2, resource=False, random=0.0) == pytest.approx(27)
    assert ladder.wait(500, 2, resource=False, random=1.0) == pytest.approx(33)


@pytest.mark.parametrize(
    ("status", "resource", "least"),
    [(503, False, 30), (503, True, 30), (408, False, 120), (404, True, 300), (401, True, 300), (404, False, 10)],
)
def test_some_answers_make_the_next_attempt_wait_longer(status: int, resource: bool, least: float) -> None:
    assert ladder.wait(status, 1, resource=resource, random=0.5) == least
    assert ladder.wait(status, 7, resource=resource, random=0.5) == HOUR


@pytest.mark.parametrize(
    ("status", "webhook", "queue"),
    [(400, True, True), (401, True, False), (403, True, True), (413, True, True), (404, False, False),
     (500, False, False), (0, False, False), (408, False, False), (503, False, False), (302, False, False)],
)  # fmt: skip
def test_which_answers_are_never_retried(status: int, webhook: bool, queue: bool) -> None:
    for resource, never in ((False, webhook), (True, queue)):
        reason = ladder.end(status, 1, 30, next_attempt=10, expires=86_400, resource=resource)
        assert reason == ("UndeliverableEvent" if never else "")


def test_attempts_and_time_to_live_end_a_delivery_whichever_is_first() -> None:
    assert not ladder.end(500, 29, 30, next_attempt=10, expires=86_400, resource=False)
    assert ladder.end(500, 30, 30, next_attempt=10, expires=86_400, resource=False) == "MaxDeliveryAttemptsExceeded"
    assert ladder.end(500, 5, 30, next_attempt=86_400, expires=86_400, resource=False) == "TimeToLiveExceeded"


def test_only_200_to_204_are_a_success() -> None:
    assert {200, 201, 202, 203, 204} == ladder.SUCCESS


def test_a_time_to_live_of_30_minutes_allows_six_attempts() -> None:
    """The example of the document: 30 minutes and ten attempts end after six."""
    now, attempts = 0.0, 0
    while True:
        attempts += 1
        due = now + ladder.wait(500, attempts, resource=False, random=0.5)
        if ladder.end(500, attempts, 10, next_attempt=due, expires=1800, resource=False):
            break
        now = due
    assert attempts == 6
