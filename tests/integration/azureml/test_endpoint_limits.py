"""Names and numbers of endpoints, keys that are made anew, and what a laptop does not deploy.

https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas#azure-machine-learning-online-endpoints-and-batch-endpoints
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential


class Rest:
    """The workspace by plain requests: quicker than a client where many are made."""

    def __init__(self, laptop: Any) -> None:
        self._session = requests.Session()
        token = DefaultAzureCredential().get_token("https://management.azure.com/.default").token
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._base = f"http://127.0.0.1:{laptop.cloud.azureml_port}{laptop.cloud.workspace_id}"

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self._session.request(method, f"{self._base}/{path}", json=body, timeout=30)

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def rest(ml: MLClient, laptop: Any) -> Iterator[Rest]:
    made = Rest(laptop)
    yield made
    made.close()


@pytest.mark.parametrize("name", ["ab", "1abc", "with_underscore", "ends-", "a" * 33])
def test_a_name_that_the_service_would_refuse_is_refused(rest: Rest, name: str) -> None:
    answer = rest.ask("PUT", f"onlineEndpoints/{name}", {"location": "laptop", "properties": {"authMode": "Key"}})
    assert answer.status_code == 400
    assert "3 to 32 characters" in answer.json()["error"]["message"]


def test_more_endpoints_than_the_quota_are_refused(rest: Rest, unique: str) -> None:
    before = len(rest.ask("GET", "onlineEndpoints").json()["value"])
    made = []
    try:
        for number in range(100 - before + 1):
            name = f"{unique}-{number}"
            body = {"location": "laptop", "properties": {"authMode": "Key"}}
            answer = rest.ask("PUT", f"onlineEndpoints/{name}", body)
            if answer.status_code == 201:
                made.append(name)
        assert answer.status_code == 400
        assert "at most 100 online endpoints" in answer.json()["error"]["message"]
        assert len(made) == 100 - before
    finally:
        for name in made:
            while rest.ask("DELETE", f"onlineEndpoints/{name}").status_code == 409:
                pass


def test_a_key_that_is_made_anew_replaces_the_old_one(ml: MLClient, rest: Rest, unique: str) -> None:
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=unique, auth_mode="key")).result()
    scoring = str(ml.online_endpoints.get(unique).scoring_uri)
    old = ml.online_endpoints.get_keys(unique)
    ml.online_endpoints.begin_regenerate_keys(unique, key_type="primary").result()
    new = ml.online_endpoints.get_keys(unique)
    assert new.primary_key != old.primary_key
    assert new.secondary_key == old.secondary_key
    statuses = [
        requests.post(scoring, json={}, headers={"Authorization": f"Bearer {key}"}, timeout=10).status_code
        for key in (old.primary_key, new.primary_key, new.secondary_key)
    ]
    assert statuses == [401, 404, 404], "404: the key opens, and there is no deployment yet"
    ml.online_endpoints.begin_delete(unique).result()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"instance_type": "Standard_NC4as_T4_v3"}, "has a GPU"),
        ({"environment": "nowhere:1"}, "has no Python|not found"),
    ],
)
def test_what_a_laptop_cannot_serve_is_refused(
    ml: MLClient, unique: str, code: Any, more: dict[str, Any], reason: str
) -> None:
    from azure.ai.ml.entities import CodeConfiguration

    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=unique, auth_mode="key")).result()
    given = {"instance_type": "Standard_DS3_v2", "environment": "served:1", **more}
    deployment = ManagedOnlineDeployment(
        name="blue",
        endpoint_name=unique,
        instance_count=1,
        code_configuration=CodeConfiguration(
            code=str(code("def init(): ...\ndef run(raw): ...\n")), scoring_script="main.py"
        ),
        **given,
    )
    with pytest.raises(HttpResponseError, match=reason):
        ml.online_deployments.begin_create_or_update(deployment).result()
    ml.online_endpoints.begin_delete(unique).result()
