"""Requests to storage with a token of an identity: checked here, for Azurite takes tokens over HTTPS only.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from local.azureml.tokens import Tokens
from local.azureml.wire import ArmError
from local.config import ACCOUNTS, AZURITE_KEY, Cloud
from local.eventgrid.datalake import RefusedError
from local.eventgrid.framing import Request
from local.eventgrid.operations import account_of

_RESOURCE: Final = "https://storage.azure.com"
_LIFE: Final = timedelta(days=3650)


@cache
def _signature(account: str) -> str:
    """Sign for all of an account. The SDK is imported when the first token comes: few clouds ever see one."""
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

    everything = AccountSasPermissions(
        read=True, write=True, delete=True, list=True, add=True, create=True, update=True, process=True, tag=True
    )
    parts, now = ResourceTypes(service=True, container=True, object=True), datetime.now(UTC)
    begin, end = now - timedelta(days=1), now + _LIFE
    return str(generate_account_sas(account, AZURITE_KEY, parts, everything, expiry=end, start=begin))


class Bearer:
    """Exchanges the token of a request for a signature that Azurite knows."""

    def __init__(self, cloud: Cloud) -> None:
        self._tokens = Tokens(cloud)

    def admit(self, request: Request) -> Request:
        """Give the request as Azurite takes it; one without a token stays. Raises RefusedError for a wrong token."""
        header = request.headers.get("authorization", "")
        if header.partition(" ")[0].lower() != "bearer":
            return request
        account = account_of(request.target)
        hosts = [_RESOURCE, f"https://{account}.blob.core.windows.net"]
        try:
            self._tokens.check(header, [*hosts, *(f"{host}/" for host in hosts)])
        except ArmError as error:
            raise RefusedError(401, f"Server failed to authenticate the request. {error}") from None
        if account not in ACCOUNTS:
            return request
        target = f"{request.target}{'&' if '?' in request.target else '?'}{_signature(account)}"
        lines = request.raw.decode("latin-1").split("\r\n")
        kept = [line for line in lines[1:] if line.partition(":")[0].lower() != "authorization"]
        raw = "\r\n".join([f"{request.method} {target} {lines[0].rpartition(' ')[2]}", *kept]).encode("latin-1")
        headers = {name: value for name, value in request.headers.items() if name != "authorization"}
        return replace(request, target=target, headers=headers, raw=raw)
