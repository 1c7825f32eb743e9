"""The exact commands that mend what a check finds wrong: other ones on a laptop than in Azure."""

import json
import shlex
from dataclasses import dataclass
from typing import Final

from shared.settings import Settings

_NAME: Final = "<name of the function app>"
_GROUP: Final = "<its resource group>"


@dataclass(frozen=True, slots=True)
class Mending:
    """Commands for one hub. In Azure the platform tells the app its own name and group."""

    settings: Settings

    @property
    def azure(self) -> bool:
        """Whether the hub runs in Azure."""
        return bool(self.settings.app_name)

    @property
    def app(self) -> str:
        """The arguments by which `az functionapp` knows the app."""
        name, group = self.settings.app_name or _NAME, self.settings.app_group or _GROUP
        return f"--name {shlex.quote(name)} --resource-group {shlex.quote(group)}"

    def restart(self) -> str:
        """Start the app anew."""
        return f"az functionapp restart {self.app}" if self.azure else "make down up DETACH=1"

    def setting(self, name: str, value: str) -> str:
        """Give a setting a value."""
        given = shlex.quote(f"{name}={value}")
        if self.azure:
            kept = "   # and into moreSettings, or the parameter of it: azd provision sets all settings anew"
            return f"az functionapp config appsettings set {self.app} --settings {given}{kept}"
        return f"export {given}; make down up DETACH=1"

    def container(self, account: str, name: str) -> str:
        """Make a container."""
        if self.azure:
            return f"az storage container create --auth-mode login --account-name {account} --name {name}"
        return f'az storage container create --connection-string "$AZURE_STORAGE_CONNECTION_STRING" --name {name}'

    def role(self, role: str, scope: str) -> str:
        """Give the app's identity a role; `scope` is a command's output, or an id."""
        if not self.azure:
            return "make down up DETACH=1"
        asked = "--query 'userAssignedIdentities.*.principalId | [0]' --output tsv"
        identity = f"$(az functionapp identity show {self.app} {asked})"
        who = f'--assignee-object-id "{identity}" --assignee-principal-type ServicePrincipal'
        return f"az role assignment create --role {shlex.quote(role)} {who} --scope {scope}"

    def account_role(self, account: str) -> str:
        """Let the app read and write blobs of an account."""
        scope = f'"$(az storage account show --name {account} --query id --output tsv)"'
        return self.role("Storage Blob Data Contributor", scope)

    def workspace_role(self) -> str:
        """Let the app use the workspace."""
        known = self.settings
        scope = (
            f"/subscriptions/{known.subscription}/resourceGroups/{known.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{known.workspace}"
        )
        return self.role("AzureML Data Scientist", shlex.quote(scope))

    def datastore(self, name: str, container: str, account: str = "") -> str:
        """Make a datastore of a container, of the data account where none is named."""
        known = self.settings
        account = account or known.data_account
        made = {"name": name, "type": "azure_blob", "account_name": account, "container_name": container}
        return (
            f"printf %s {shlex.quote(json.dumps(made))} > datastore.yml && az ml datastore create --file datastore.yml "
            f"--workspace-name {shlex.quote(known.workspace)} --resource-group {shlex.quote(known.resource_group)}"
        )

    def probe(self) -> str:
        """Have the events of storage arrive: subscriptions are made from the file anew."""
        return "azd provision" if self.azure else "make down up DETACH=1, then: ./hub doctor"
