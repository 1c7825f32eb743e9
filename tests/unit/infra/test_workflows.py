"""The hosted workflows ask what cannot be asked here, and give strangers nothing."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from shared.revision import PACKAGED
from tests.unit.infra.scenarios import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def _read(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(path.read_text()))


def _steps(workflow: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_pull_request_reaches_no_credentials(path: Path) -> None:
    workflow = _read(path)
    assert "pull_request_target" not in workflow["on"]
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        text = str(job)
        assert "secrets." not in text, f"{name}: identities need no secret"
        if "id-token" in job.get("permissions", {}) or "azure/login" in text:
            assert job["if"] == "github.event_name == 'workflow_dispatch'", name
        for step in job["steps"]:
            if str(step.get("uses", "")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name
            assert "${{" not in step.get("run", ""), f"{name}: a value in a script can be made to run; use env"
        assert job["timeout-minutes"] <= 90


def test_the_hosted_workflow_asks_what_cannot_be_asked_here() -> None:
    steps = _steps(_read(ROOT / ".github" / "workflows" / "azure.yml"))
    for command in (
        "az bicep build ",
        "az bicep lint ",
        "az bicep build-params ",
        "az deployment sub what-if ",
        "pip_audit",
    ):
        assert command in steps
    for path in ("infra/main.bicep", "infra/main.bicepparam", "infra/requirements.lock"):
        assert path in steps
        assert (ROOT / path).is_file()


def test_azd_deploys_this_app() -> None:
    project = _read(ROOT / "azure.yaml")
    (service,) = project["services"].values()
    hooks = service.pop("hooks")
    assert service == {"project": ".", "language": "py", "host": "function", "remoteBuild": True}
    for system in ("posix", "windows"):
        assert hooks["prepackage"][system]["run"] == f"git rev-parse HEAD > {PACKAGED.relative_to(ROOT)}"
    assert (ROOT / project["infra"]["path"] / f"{project['infra']['module']}.bicep").is_file()
    assert (ROOT / project["services"]["hub"]["project"] / "function_app.py").is_file()
