"""The settings of the app: read once from a mapping, checked, with the secrets hidden from text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal

from shared.automations.values import size
from shared.deciding import storms
from shared.notify import channels
from shared.notify.channels import Channel

_KEY: Final = "HUB_SECRET_"
_SERVICES: Final = ("blob", "queue", "table")
_LOGS: Final = "https://api.loganalytics.azure.com"
Role = Literal["reader", "operator", "approver", "publisher"]
ROLES: Final[frozenset[str]] = frozenset({"reader", "operator", "approver", "publisher"})


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it, what was expected, and where it is set."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How a storage account is reached: a connection string, or service addresses and an identity.

    The names are those of the Functions host: `<NAME>`, or `<NAME>__blobServiceUri` and its like with
    `<NAME>__credential` (managedidentity) and `<NAME>__clientId`.
    """

    name: str
    connection_string: str = field(default="", repr=False)
    uris: Mapping[str, str] = field(default_factory=dict)
    client_id: str = ""

    def uri(self, service: str) -> str:
        """Give the address of a service (blob, queue, table), or raise SettingsError."""
        try:
            return self.uris[service]
        except KeyError:
            raise SettingsError(f"set {self.name}__{service}ServiceUri (https://<account>.{service}.core.…)") from None


@dataclass(frozen=True, slots=True)
class Key:
    """A named key: the SHA-256 (hex) of its text, and the roles it has."""

    name: str
    digest: str = field(repr=False)
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the hub."""

    hub_id: str
    storage: Connection
    accounts: Mapping[str, Connection]
    events_queue: str
    work_queue: str
    subscription: str
    resource_group: str
    workspace: str
    mlflow_tracking_uri: str
    automations: Path
    root: Path
    data_account: str
    data_container: str
    data_datastore: str
    poll_shortest: timedelta
    poll_longest: timedelta
    storm: storms.Rule
    retention: timedelta = timedelta(days=180)
    """How long events are kept; activities, receipts and the audit trail stay."""
    metrics_grain: int = 60
    datastores: Mapping[str, str] = field(default_factory=dict)
    deployment_variables: Mapping[str, str] = field(default_factory=dict)
    """Values of the environment variables that deployment files leave empty, so that one package serves everywhere."""
    freeze_copy_most: int = 100 * 10**9
    """Bytes: a list of files that has more is frozen by paths and etags, and not copied."""
    prices: Mapping[str, tuple[Decimal, str]] = field(default_factory=dict)
    keys: tuple[Key, ...] = ()
    platform_authentication: bool = False
    channels: Mapping[str, Channel] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    public_url: str = ""
    loopback_webhooks: bool = False
    logs_workspace: str = ""
    """Id (a GUID) of the Log Analytics workspace that answers the queries of a release's own metrics, "" for none."""
    logs_endpoint: str = _LOGS
    app_name: str = ""
    app_group: str = ""
    """Name and resource group of the function app, as the platform tells them; "" on a laptop."""
    other_subscriptions: frozenset[str] = frozenset()
    """Further subscriptions, in lower case, whose storage accounts may send events (HUB_SUBSCRIPTIONS, by commas)."""

    def datastore(self, container: str) -> str:
        """Give the workspace's datastore of a container of the data account: its name, with _ for -, if none is set."""
        if container == self.data_container:
            return self.data_datastore
        return self.datastores.get(container) or container.replace("-", "_")

    @staticmethod
    def datastore_for(account: str, container: str) -> str:
        """Give a name for the datastore of a container that has none yet."""
        return f"{account}_{container}".replace("-", "_")

    def datastore_of(self, account: str, container: str) -> str:
        """Give the workspace's datastore of a container of any data account, "" where no setting names one."""
        if account == self.data_account:
            return self.datastore(container)
        return self.datastores.get(f"{account}/{container}", "")

    def price(self, compute: str) -> tuple[Decimal, str] | None:
        """Give what an hour of one node of a compute costs, and the currency; None where no setting says."""
        return self.prices.get(compute) or self.prices.get("*")

    def secret(self, name: str) -> str:
        """Give the key that an automation names for a webhook's signature, "" where no setting holds it."""
        return self.secrets.get(self.secret_name(name), "")

    @staticmethod
    def secret_name(name: str) -> str:
        """Give the setting that holds a key: `erp-key` is in HUB_SECRET_ERP_KEY."""
        return f"{_KEY}{name.upper().replace('-', '_')}"

    @classmethod
    def read(cls, environment: Mapping[str, str], root: Path) -> "Settings":
        """Read the settings; `root` is the folder of the app. Raises SettingsError for the first that is wrong."""
        return cls(
            hub_id=_hub_id(environment.get("HUB_ID") or "hub"),
            storage=_connection(environment, "HUB_STORAGE"),
            accounts=_accounts(environment),
            events_queue=environment.get("HUB_EVENTS_QUEUE") or "hub-events",
            work_queue=environment.get("HUB_WORK_QUEUE") or "hub-work",
            subscription=_needed(environment, "AZURE_SUBSCRIPTION_ID"),
            resource_group=_needed(environment, "AZUREML_RESOURCE_GROUP"),
            workspace=_needed(environment, "AZUREML_WORKSPACE_NAME"),
            mlflow_tracking_uri=environment.get("MLFLOW_TRACKING_URI", ""),
            automations=root / "automations",
            root=root,
            data_account=environment.get("HUB_DATA_ACCOUNT", ""),
            data_container=environment.get("HUB_DATA_CONTAINER") or "hub-data",
            data_datastore=environment.get("HUB_DATA_DATASTORE") or "hub_data",
            poll_shortest=_seconds(environment, "HUB_POLL_SHORTEST_SECONDS", 5.0),
            poll_longest=_seconds(environment, "HUB_POLL_LONGEST_SECONDS", 60.0),
            datastores=_datastores(environment.get("HUB_DATASTORES") or "{}"),
            deployment_variables=_deployment_variables(environment.get("HUB_DEPLOYMENT_VARIABLES") or "{}"),
            freeze_copy_most=_size(environment, "HUB_FREEZE_COPY_MOST", "100 GB"),
            metrics_grain=int(_number(environment, "HUB_METRICS_GRAIN_SECONDS", 60)),
            retention=_retention(environment.get("HUB_RETENTION_DAYS", "")),
            storm=storms.Rule(
                openings=int(_number(environment, "HUB_STORM_OPENINGS", 100)),
                within=_seconds(environment, "HUB_STORM_WITHIN_SECONDS", 600.0),
                calm=_seconds(environment, "HUB_STORM_CALM_SECONDS", 900.0),
            ),
            prices=_prices(environment.get("HUB_COMPUTE_PRICES") or "{}"),
            keys=_keys(environment.get("HUB_KEYS") or "{}"),
            other_subscriptions=frozenset(
                name.strip().lower() for name in environment.get("HUB_SUBSCRIPTIONS", "").split(",") if name.strip()
            ),
            app_name=environment.get("WEBSITE_SITE_NAME", ""),
            app_group=environment.get("WEBSITE_RESOURCE_GROUP", ""),
            platform_authentication=environment.get("WEBSITE_AUTH_ENABLED", "").lower() == "true",
            channels=_channels(environment),
            secrets={name: value for name, value in environment.items() if name.startswith(_KEY) and value},
            public_url=_public_url(environment),
            logs_workspace=environment.get("HUB_LOGS_WORKSPACE", "").strip(),
            logs_endpoint=environment.get("HUB_LOGS_ENDPOINT", "").strip() or _LOGS,
            loopback_webhooks=environment.get("HUB_LOOPBACK_WEBHOOKS", "").lower() == "true",
        )


def _channels(environment: Mapping[str, str]) -> Mapping[str, Channel]:
    try:
        return channels.read(
            environment.get("HUB_CHANNELS") or "{}", environment, environment.get("HUB_TOPIC_ENDPOINT", "")
        )
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _public_url(environment: Mapping[str, str]) -> str:
    """Give where people reach the hub: as it is set, or the host name that the platform gives; "" for neither."""
    host = environment.get("WEBSITE_HOSTNAME", "")
    return (environment.get("HUB_PUBLIC_URL") or (f"https://{host}" if host else "")).rstrip("/")


def _needed(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(f"setting {name} is missing: see local.settings.sample.json for what it is")
    return value


def _hub_id(text: str) -> str:
    if not (1 <= len(text) <= 16 and text.isascii() and text.isalnum() and text == text.lower()):
        raise SettingsError(f"HUB_ID is {text!r}: 1 to 16 lower-case letters and digits are expected")
    return text


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if not 0 < number <= 1_000_000:
        raise SettingsError(f"{name} is {text!r}: a number over 0 is expected")
    return number


def _size(environment: Mapping[str, str], name: str, default: str) -> int:
    try:
        return size(environment.get(name, "").strip() or default)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from None


def _retention(text: str) -> timedelta:
    """Read days: at least 14, for an event may come again, or be found by the reconciler, for some 8 days."""
    try:
        days = int(text) if text else 180
    except ValueError:
        days = 0
    if not 14 <= days <= 36_500:
        raise SettingsError(f"HUB_RETENTION_DAYS is {text!r}: whole days from 14 to 36500 are expected")
    return timedelta(days=days)


def _datastores(text: str) -> Mapping[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        form = '{"container": "datastore", "account/container": "datastore"}'
        raise SettingsError(f"HUB_DATASTORES is not of the form {form}") from None


def _deployment_variables(text: str) -> Mapping[str, str]:
    try:
        table = json.loads(text)
    except ValueError:
        table = None
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise SettingsError(
            'HUB_DEPLOYMENT_VARIABLES is not of the form {"COLLECT_TO": "https://…/collected"}: a JSON object of '
            "texts by the names of environment variables that deployment files leave empty"
        )
    return table


def _prices(text: str) -> Mapping[str, tuple[Decimal, str]]:
    try:
        table = json.loads(text, parse_float=Decimal, parse_int=Decimal)
        prices = {str(name): (value["amount"], str(value["currency"])) for name, value in table.items()}
        if any(not isinstance(amount, Decimal) or amount < 0 for amount, _ in prices.values()):
            raise ValueError("an amount is no number")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SettingsError(
            'HUB_COMPUTE_PRICES is not of the form {"cpu-cluster": {"amount": 0.35, "currency": "USD"}}: amounts are '
            'those of an hour of one node, "*" is any other compute'
        ) from None
    return prices


def _seconds(environment: Mapping[str, str], name: str, default: float) -> timedelta:
    text = environment.get(name, "")
    try:
        seconds = float(text) if text else default
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86_400:
        raise SettingsError(f"{name} is {text!r}: seconds over 0 and up to 86400 are expected")
    return timedelta(seconds=seconds)


def _connection(environment: Mapping[str, str], name: str) -> Connection:
    text = environment.get(name, "")
    uris = {
        service: environment[f"{name}__{service}ServiceUri"].rstrip("/")
        for service in _SERVICES
        if environment.get(f"{name}__{service}ServiceUri")
    }
    if not text and not uris:
        raise SettingsError(f"setting {name} is missing: a connection string, or {name}__blobServiceUri and its like")
    return Connection(name, text, uris, environment.get(f"{name}__clientId", ""))


def _accounts(environment: Mapping[str, str]) -> Mapping[str, Connection]:
    prefix = "HUB_ACCOUNT_"
    names = sorted({name[len(prefix) :].partition("__")[0] for name in environment if name.startswith(prefix)})
    return {name.lower(): _connection(environment, prefix + name) for name in names}


def _keys(text: str) -> tuple[Key, ...]:
    try:
        table = json.loads(text)
        keys = tuple(Key(name, str(value["hash"]), frozenset(value["roles"])) for name, value in table.items())
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SettingsError(
            'HUB_KEYS is not of the form {"name": {"hash": "<SHA-256 in hex>", "roles": ["reader"]}}: '
            f"{type(error).__name__}"
        ) from None
    for key in keys:
        if wrong := key.roles - ROLES:
            raise SettingsError(f"HUB_KEYS: key {key.name!r} has unknown roles {sorted(wrong)}; known: {sorted(ROLES)}")
        if len(key.digest) != 64:
            raise SettingsError(f"HUB_KEYS: the hash of key {key.name!r} is not a SHA-256 in hex (64 digits)")
    return keys
