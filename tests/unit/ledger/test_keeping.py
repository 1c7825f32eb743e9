"""How long events are kept is a setting that is checked."""

from datetime import timedelta
from pathlib import Path

import pytest

from shared.reconcile import HORIZON
from shared.settings import Settings, SettingsError

ENVIRONMENT = {
    "HUB_STORAGE": "UseDevelopmentStorage=true",
    "AZURE_SUBSCRIPTION_ID": "s",
    "AZUREML_RESOURCE_GROUP": "rg",
    "AZUREML_WORKSPACE_NAME": "ws",
}


@pytest.mark.parametrize(("days", "kept"), [("", 180), ("14", 14), ("3650", 3650)])
def test_events_are_kept_as_long_as_the_setting_says(days: str, kept: int) -> None:
    read = Settings.read({**ENVIRONMENT, "HUB_RETENTION_DAYS": days}, Path()).retention
    assert read == timedelta(days=kept)
    assert read > HORIZON + timedelta(days=1), "claims outlive what can bring an event again"


@pytest.mark.parametrize("days", ["13", "0", "-1", "1.5", "for ever", "99999"])
def test_a_time_that_would_forget_claims_too_soon_is_refused(days: str) -> None:
    with pytest.raises(SettingsError, match=r"HUB_RETENTION_DAYS is .* from 14 to 36500"):
        Settings.read({**ENVIRONMENT, "HUB_RETENTION_DAYS": days}, Path())
