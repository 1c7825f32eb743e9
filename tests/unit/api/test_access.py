"""Who may: every route refuses who has no credential, a wrong one, too little, or a forged one."""

from typing import Any

import pytest

from shared.api.table import ROUTES

GUARDED = [name for name, route in ROUTES.items() if route.role is not None]
VALUES = {"id": "20130201t060000-0123456789", "name": "delay-train", "version": "1"}


def values(name: str) -> dict[str, str]:
    return {key: VALUES[key] for key in ROUTES[name].values}


@pytest.mark.parametrize("name", GUARDED)
async def test_without_a_credential_nothing_is_answered(desk: Any, name: str) -> None:
    answer = await desk.ask(name, key="", **values(name))
    assert (answer.status, answer.kind) == (401, "application/problem+json")
    assert "x-functions-key" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("name", GUARDED)
async def test_a_wrong_key_is_none(desk: Any, name: str) -> None:
    assert (await desk.ask(name, key="wrong", **values(name))).status == 401


@pytest.mark.parametrize("name", [name for name in GUARDED if ROUTES[name].role])
async def test_a_lesser_role_is_too_little(desk: Any, name: str) -> None:
    lesser = "publisher" if ROUTES[name].role == "reader" else "reader"
    answer = await desk.ask(name, key=lesser, **values(name))
    assert answer.status == 403
    assert f"role {ROUTES[name].role}" in answer.json["detail"]


@pytest.mark.parametrize("name", GUARDED)
async def test_a_forged_principal_is_not_believed(desk: Any, principal: Any, name: str) -> None:
    forged = {"X-MS-CLIENT-PRINCIPAL": principal("eve", "reader", "operator", "approver", "publisher")}
    assert (await desk.ask(name, key="", headers=forged, **values(name))).status == 401


async def test_where_the_platform_signs_in_its_principal_has_its_roles(signed_in: Any, principal: Any) -> None:
    reader = {"X-MS-CLIENT-PRINCIPAL": principal("ann@example.org", "reader")}
    assert (await signed_in.ask("status", key="", headers=reader)).status == 200
    assert (await signed_in.ask("pause", key="", headers=reader)).status == 403
    operator = {"X-MS-CLIENT-PRINCIPAL": principal("ann@example.org", "operator")}
    assert (await signed_in.ask("pause", key="", headers=operator)).json["who"] == "person:ann@example.org"


@pytest.mark.parametrize("header", ["", "!", "bnVsbA==", "W10=", "eyJjbGFpbXMiOiB7fX0=", "A" * 100_000])
async def test_a_principal_that_cannot_be_read_is_nobody(signed_in: Any, header: str) -> None:
    answer = await signed_in.ask("status", key="", headers={"X-MS-CLIENT-PRINCIPAL": header})
    assert answer.status == 401


async def test_a_program_that_signed_in_is_no_person(signed_in: Any, principal: Any) -> None:
    program = {"X-MS-CLIENT-PRINCIPAL": principal("", "operator", appid="6f1e")}
    assert (await signed_in.ask("pause", key="", headers=program)).json["who"] == "app:6f1e"


async def test_a_name_cannot_forge_a_line_of_a_log(signed_in: Any, principal: Any) -> None:
    header = {"X-MS-CLIENT-PRINCIPAL": principal("ann\nroot", "operator")}
    assert (await signed_in.ask("pause", key="", headers=header)).status == 401


async def test_a_key_in_the_address_opens_nothing(desk: Any) -> None:
    assert (await desk.ask("status", key="", query={"code": "key-all"})).status == 401


async def test_health_asks_for_nothing_and_says_nothing_else(desk: Any) -> None:
    answer = await desk.ask("health", key="")
    assert (answer.status, answer.json) == (200, {"status": "ok"})
