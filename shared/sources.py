"""Whether an event's source is one that this hub is configured for."""

from shared.events.model import Event
from shared.settings import Settings


def strange_source(event: Event, settings: Settings) -> str:
    """Give why an event's source is not one that this hub is configured for, "" where it is.

    An account is known by its name, which is unique in all of Azure, and its subscription; a workspace by its whole
    id. Events of other types have sources of their own: whoever may publish may name any.
    """
    area = event.type.rpartition(".")[0].lower()
    parts = [part.lower() for part in event.source.strip("/").split("/")]
    if area == "microsoft.storage":
        known = len(parts) == 8 and parts[0] == "subscriptions" and parts[6] == "storageaccounts"
        subscriptions = {settings.subscription.lower(), *settings.other_subscriptions}
        if known and parts[7] in settings.accounts and parts[1] not in subscriptions:
            return (
                f"source {event.source[:256]!r} is of a subscription that this hub does not know: "
                "name it in HUB_SUBSCRIPTIONS"
            )
        if not known or parts[7] not in settings.accounts:
            return (
                f"source {event.source[:256]!r} is no storage account of this hub "
                f"({', '.join(sorted(settings.accounts)) or 'it has none'}): "
                "configure it as HUB_ACCOUNT_<NAME>__blobServiceUri"
            )
    if area == "microsoft.machinelearningservices":
        wanted = workspace_parts(settings)
        if parts != wanted:
            return f"source {event.source[:256]!r} is not this hub's workspace /{'/'.join(wanted)}"
    return ""


def workspace_parts(settings: Settings) -> list[str]:
    """Give the parts of the workspace's ARM id, in lower case."""
    return [
        "subscriptions",
        settings.subscription.lower(),
        "resourcegroups",
        settings.resource_group.lower(),
        "providers",
        "microsoft.machinelearningservices",
        "workspaces",
        settings.workspace.lower(),
    ]
