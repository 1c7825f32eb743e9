"""The language's deploy and further actions: the contract's spelling is read, all else refused with the reason."""

import io
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML

from shared.automations.language_actions import (
    Job,
    Notify,
    NotifyAction,
    Promote,
    RegisterModel,
    Score,
    Webhook,
)
from shared.automations.language_deploy import Deploy, analysis_of, gate_of, plan_of, steps_of
from shared.deciding import approval, gates
from shared.deciding.analysis import Analysis
from shared.deciding.rollout import Step
from shared.deciding.thresholds import Threshold
from shared.deciding.traffic import Traffic

MINUTE = timedelta(minutes=1)
CONTRACT = """
endpoint: endpoints/delay/endpoint.yml            # plain Azure ML endpoint and deployment YAML
deployment: endpoints/delay/deployment.yml
evaluate: {job: jobs/delay/evaluate.yml, data: "azureml:delay-golden:1"}   # champion and challenger on the same rows
gates:
  - metrics: {mae: "<= 25", r2: ">= 0.05"}
  - champion: {metric: mae, better: lower, tolerance: 1%, when-none: pass-with-note}
  - business: {metric: cost_per_flight, better: lower}
  - fairness: {metric: mae, slices: carrier, max-gap: {relative: 40%}, min-rows: 200}
  - approval: {roles: [approver], quorum: 1, expires: 48h}
rollout:
  - shadow: {traffic: 20%, for: 10m}
  - canary: {traffic: 10%, for: 15m}
  - canary: {traffic: 50%, for: 15m}
analysis: {error-rate: "< 1%", p95-latency: "< 300ms", min-requests: 50, settle: 3m, inconclusive: hold}
on-failure: rollback
keep-previous: 24h
"""


def read(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(io.StringIO(text))


def changed(**parts: str | None) -> dict[str, Any]:
    """Give the contract's deploy with other parts; None leaves one out."""
    document: dict[str, Any] = read(CONTRACT)
    for name, text in parts.items():
        key = name.replace("_", "-")
        if text is None:
            del document[key]
        else:
            document[key] = read(text)
    return document


def test_the_deploy_of_the_contract_means_what_it_says() -> None:
    deploy = Deploy.model_validate(read(CONTRACT))
    assert [gate_of(gate) for gate in deploy.gates] == [
        gates.Metrics({"mae": Threshold.parse("<= 25"), "r2": Threshold.parse(">= 0.05")}),
        gates.Champion("mae", "lower", gates.Tolerance(0.01, relative=True)),
        gates.Champion("cost_per_flight", "lower", kind="business"),
        gates.Fairness("mae", ("carrier",), 0.4, relative=True, min_rows=200),
        approval.Approval(frozenset({"approver"}), 1, timedelta(hours=48)),
    ]
    assert steps_of(deploy) == (
        Step("shadow", 20, 10 * MINUTE),
        Step("canary", 10, 15 * MINUTE),
        Step("canary", 50, 15 * MINUTE),
    )
    assert analysis_of(deploy.analysis) == Analysis(
        Threshold.parse("< 1%", "share"),
        {"p95": Threshold.parse("< 300ms", "milliseconds")},
        {},
        50,
        3 * MINUTE,
    )
    plan = plan_of(deploy, "green", Traffic.of({"blue": 100}))
    assert [str(step) for step in plan.steps] == ["shadow 20%", "canary 10%", "canary 50%", "full"]
    assert (plan.on_failure, plan.inconclusive) == ("rollback", "hold")
    assert (deploy.on_failure, deploy.keep_previous) == ("rollback", timedelta(hours=24))


def test_a_plain_release_needs_no_more_than_its_files() -> None:
    deploy = Deploy.model_validate({"endpoint": "e.yml", "deployment": "d.yml"})
    assert steps_of(deploy) == ()
    assert analysis_of(deploy.analysis) == Analysis()


def test_more_than_the_contract_shows() -> None:
    deploy = Deploy.model_validate(
        changed(
            gates="""
- champion: {metric: auc, better: higher, tolerance: 0.5, when-unsure: refuse}
- business: {metric: cost, better: lower, threshold: "<= 3"}
- fairness: {metric: mae, slices: [carrier, origin], max-gap: {absolute: 5}, method: between-slices}
""",
            rollout="[{canary: {traffic: 5%, for: 1m}}, {full: {for: 30m}}]",
            analysis="{custom: {orders: {query: 'select 1', threshold: '> 3'}}, p50-latency: '< 1s'}",
        )
    )
    first, second, third = (gate_of(gate) for gate in deploy.gates)
    assert first == gates.Champion("auc", "higher", gates.Tolerance(0.5, relative=False), when_unsure="refuse")
    assert isinstance(second, gates.Champion)
    assert second.threshold == Threshold.parse("<= 3")
    assert third == gates.Fairness("mae", ("carrier", "origin"), 5, relative=False, method="between-slices")
    assert steps_of(deploy)[-1] == Step("full", 100, 30 * MINUTE)
    assert analysis_of(deploy.analysis).custom == {"orders": Threshold.parse("> 3")}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"evaluate": None}, "need `evaluate`"),
        ({"evaluate": "{job: e.yml, data: 'azureml:delay-golden@latest'}"}, "pinned to a version"),
        ({"evaluate": "{job: e.yml, data: 'azureml:delay-golden'}"}, "pinned to a version"),
        ({"evaluate": "{job: /etc/e.yml, data: 'azureml:g:1'}"}, "from the project's root"),
        ({"gates": "[{metrics: {}}]"}, "at least 1"),
        ({"gates": "[{metrics: {mae: 25}}]"}, "is no threshold"),
        ({"gates": "[{metrics: {mae: '< 1'}, approval: {expires: 1h}}]"}, "exactly one key"),
        ({"gates": "[{champion: {metric: mae}}]"}, "better"),
        ({"gates": "[{champion: {metric: mae, better: less}}]"}, "'lower' or 'higher'"),
        ({"gates": "[{champion: {metric: mae, better: lower, tolerance: -1}}]"}, "no tolerance"),
        ({"gates": "[{fairness: {metric: mae, slices: c, max-gap: {relative: 1%, absolute: 2}}}]"}, "exactly one of"),
        ({"gates": "[{approval: {roles: [boss], expires: 1h}}]"}, "'approver'"),
        ({"gates": "[{approval: {quorum: 0, expires: 1h}}]"}, "greater than or equal to 1"),
        ({"gates": "[{approval: {expires: 1h}}, {approval: {expires: 1h}}]"}, "raise its quorum"),
        ({"rollout": "[{shadow: {traffic: 60%, for: 1m}}]"}, "less than or equal to 0.5"),
        ({"rollout": "[{canary: {traffic: 0%, for: 1m}}]"}, "greater than 0"),
        ({"rollout": "[{canary: {traffic: 100%, for: 1m}}]"}, "less than 1"),
        ({"rollout": "[{canary: {traffic: 2.5%, for: 1m}}]"}, "whole per cents"),
        ({"rollout": "[{canary: {traffic: 50%, for: 1m}}, {canary: {traffic: 10%, for: 1m}}]"}, "go up"),
        ({"rollout": "[{canary: {traffic: 5%, for: 1m}}, {shadow: {traffic: 10%, for: 1m}}]"}, "before canary"),
        ({"rollout": "[{full: {for: 1m}}, {canary: {traffic: 5%, for: 1m}}]"}, "full is the last"),
        ({"analysis": None}, "needs `analysis`"),
        ({"analysis": "{p95-latency: '< 300'}"}, "has a unit"),
        ({"analysis": "{error-rate: '< 300%'}"}, "between 0% and 100%"),
        ({"on_failure": "ignore"}, "'rollback' or 'hold'"),
        ({"on_fail": "hold"}, "Extra inputs"),
    ],
)
def test_a_deploy_that_cannot_be_meant_is_refused(parts: dict[str, str | None], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Deploy.model_validate(changed(**parts))
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Score, '{endpoint: delay-batch, inputs: {data: "${{ files }}"}, output: scored}'),
        (Score, "{job: jobs/score.yml, output: scored/flights, results: {max-errors: 1%, max-nulls: 0%}}"),
        (RegisterModel, '{model: arrival-delay, from: "${{ files }}", type: mlflow_model, tags: {stage: new}}'),
        (Promote, "{to: {registry: team}}"),
        (Promote, "{to: {workspace: prod, resource-group: rg}, model: 'azureml:arrival-delay:3'}"),
        (Promote, "{to: {registry: team}, model: 'azureml:d:${{ event.data.ModelVersion }}', gates: []}"),
        (Job, '{job: jobs/any.yml, inputs: {month: "${{ captures.month }}"}}'),
        (NotifyAction, '{to: ops, subject: "Drift of ${{ event.subject }}"}'),
        (Webhook, '{url: "https://example.com/hook?x=1", secret: hook-key, body: {id: "${{ activity.id }}"}}'),
        (Webhook, '{url: "http://127.0.0.1:7090/hook"}'),
        (Notify, "{on: [failed, held, refused], to: [ops]}"),
    ],
)
def test_further_actions_are_read(model: type[BaseModel], text: str) -> None:
    assert model.model_validate(read(text))


@pytest.mark.parametrize(
    ("model", "text", "expected"),
    [
        (Score, "{output: scored}", "exactly one of endpoint and job"),
        (Score, "{endpoint: abc, job: j.yml, output: scored}", "exactly one of endpoint and job"),
        (Score, "{endpoint: abc, output: ../scored}", "an output is a container"),
        (Score, "{endpoint: abc, output: scored/../x}", "an output is a container"),
        (RegisterModel, "{model: a b, from: x}", "no name in Azure ML"),
        (RegisterModel, '{model: a, from: "${{ file }}"}', "no variable"),
        (Promote, "{to: {registry: team}, gates: [{metrics: {mae: '< 1'}}]}", "need `evaluate`"),
        (Promote, "{to: {}}", "exactly one of registry and workspace"),
        (Promote, "{to: {workspace: prod}}", "resource-group"),
        (Promote, "{to: {registry: team}, model: 'azureml:d@latest'}", "by version"),
        (Webhook, "{url: 'http://example.com/'}", "begins with https"),
        (Webhook, "{url: 'http://127.0.0.1.example.com/'}", "begins with https"),
        (Webhook, "{url: 'https://ann:secret@example.com/'}", "the host of a webhook is fixed"),
        (Webhook, '{url: "https://${{ event.subject }}/"}', "the host of a webhook is fixed"),
        (Webhook, "{url: 'https://example.com:port/'}", "is no address"),
        (Webhook, "{url: 'https://'}", "begins with https"),
        (Webhook, "{url: 'https://a.example/', headers: {Authorization: x}}", "a secret does not belong here"),
        (Webhook, '{url: "https://a.example/", headers: {X-A: "b\\r\\nc"}}', "cannot be sent"),
        (Notify, "{on: [done], to: [ops]}", "'succeeded'"),
        (Notify, "{on: [failed], to: []}", "at least 1"),
    ],
)
def test_further_actions_that_cannot_be_meant_are_refused(model: type[BaseModel], text: str, expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(read(text))
    assert expected in str(caught.value)


@pytest.mark.parametrize("model", [Deploy, Score, RegisterModel, Promote, Job, NotifyAction, Webhook, Notify])
def test_editors_get_a_schema_with_a_word_on_every_part(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(by_alias=True)
    for part in (schema, *schema.get("$defs", {}).values()):
        if part.get("type") == "object" and "properties" in part:
            assert part["description"]
            assert not any("_" in key for key in part["properties"])
            assert part["additionalProperties"] is False
