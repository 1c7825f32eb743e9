"""Online endpoints as resources: made, changed, removed by operations; traffic checked; keys and tokens given."""

import asyncio
import re
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from aiohttp import web

from local.azureml.operations import Operations
from local.azureml.routes import Call, Routes
from local.azureml.state import State
from local.azureml.tokens import Tokens
from local.azureml.wire import LOCATION, ArmError, Json, invalid, listing, not_found, reply, resource, text_map, touched
from local.config import TENANT, Cloud

KIND: Final = "onlineEndpoints"
DEPLOYMENTS: Final = "onlineEndpoints/deployments"
ENDPOINT_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
DEPLOYMENT_NAME: Final = ENDPOINT_NAME
_MOST: Final = 100
SETTLE: Final = 0.3
"""Seconds that making or changing an endpoint takes; a change of traffic is in force only then."""
BUSY: Final = frozenset({"Creating", "Updating", "Deleting"})


class OnlineEndpoints:
    """The endpoint routes, and what the router and deployments ask of endpoints.

    A stored endpoint is {body, live: {traffic, mirror}, keys}; `live` is the traffic in force.
    """

    def __init__(self, cloud: Cloud, state: State, operations: Operations, tokens: Tokens) -> None:
        self._cloud, self._state, self._operations, self._tokens = cloud, state, operations, tokens
        self.on_delete: Callable[[str], Awaitable[None]] = _nothing
        """What must be done before an endpoint goes; set by the deployments."""

    def serve(self, arm: Routes) -> None:
        """Add the routes, and take up what a restart cut short."""
        arm.add("GET", KIND, self._list)
        arm.add("GET", f"{KIND}/{{name}}", self._get)
        arm.add("PUT", f"{KIND}/{{name}}", self._put)
        arm.add("DELETE", f"{KIND}/{{name}}", self._delete)
        arm.add("POST", f"{KIND}/{{name}}/listKeys", self._keys)
        arm.add("POST", f"{KIND}/{{name}}/token", self._token)
        arm.add("POST", f"{KIND}/{{name}}/regenerateKeys", self._regenerate)

    def resume(self) -> None:
        """Finish what was under way when the emulator ended."""
        for name, stored in self._state.named(KIND):
            if stored["body"]["properties"]["provisioningState"] in BUSY:
                self._operations.resume(f"{KIND}/{name}", partial(self._settle, name))

    def stored(self, name: str) -> Json:
        """Give an endpoint as stored; raises ArmError (404)."""
        found = self._state.get(KIND, name.lower())
        if found is None:
            raise not_found(f"Online endpoint '{name}'")
        return found

    def deployments(self, endpoint: str) -> list[Json]:
        """Give the deployments' bodies of an endpoint, newest first."""
        return [item["body"] for item in self._state.documents(DEPLOYMENTS, endpoint.lower())]

    def check_idle(self, name: str) -> Json:
        """Give the endpoint where nothing is under way on it; raises ArmError (409) otherwise."""
        stored = self.stored(name)
        state = stored["body"]["properties"]["provisioningState"]
        if state in BUSY:
            raise ArmError(
                409,
                "Conflict",
                f"The endpoint '{name}' is in the provisioning state {state}: another operation on it is in progress. "
                "Try again when it has ended.",
                ("Conflict",),
            )
        return stored

    async def _list(self, _: Call) -> web.Response:
        return listing([item["body"] for item in self._state.documents(KIND)])

    async def _get(self, call: Call) -> web.Response:
        return reply(self.stored(call.name)["body"])

    async def _put(self, call: Call) -> web.Response:
        name, given = call.name, call.properties()
        if not ENDPOINT_NAME.fullmatch(name):
            raise invalid(
                f"The endpoint name '{name}' is not valid: 3 to 32 characters, letters, digits and dashes, the first a "
                "letter, the last no dash."
            )
        before = self._state.get(KIND, name.lower())
        if before is None and len(self._state.documents(KIND)) >= _MOST:
            raise ArmError(400, "OutOfQuota", f"A subscription has at most {_MOST} online endpoints.")
        if before is not None:
            self.check_idle(name)
        traffic, mirror = given.get("traffic") or {}, given.get("mirrorTraffic") or {}
        self._check_traffic(name, traffic, mirror, before)
        identity = f"{self._cloud.workspace_id}/{KIND}/{name}"
        properties: Json = {
            "description": given.get("description"),
            "properties": {**text_map(given.get("properties")), "azureml.onlineendpointid": identity.lower()},
            "scoringUri": before["body"]["properties"]["scoringUri"] if before else None,
            "swaggerUri": before["body"]["properties"]["swaggerUri"] if before else None,
            "authMode": _auth(given, before),
            "provisioningState": "Updating" if before else "Creating",
            "compute": given.get("compute"),
            "traffic": traffic,
            "mirrorTraffic": mirror,
            "publicNetworkAccess": given.get("publicNetworkAccess") or "Enabled",
        }
        who = call.body.get("identity") or {"type": "SystemAssigned"}
        body = resource(
            identity,
            KIND,
            properties,
            touched(before["body"]["systemData"]) if before else None,
            tags=text_map(call.body.get("tags")),
            location=call.body.get("location") or LOCATION,
            kind="Managed",
            identity={**who, "principalId": str(uuid.uuid5(uuid.NAMESPACE_URL, identity)), "tenantId": TENANT},
        )
        stored = before or {"live": {"traffic": {}, "mirror": {}}, "keys": _fresh_keys()}
        headers = self._operations.begin(call, "oe", f"{KIND}/{name}", lambda: self._settle(name), self._failed(name))
        properties["properties"]["AzureAsyncOperationUri"] = headers["Azure-AsyncOperation"]
        self._state.put(KIND, name.lower(), {**stored, "body": body})
        return reply(body, 200 if before else 201, headers)

    async def _settle(self, name: str) -> None:
        await asyncio.sleep(SETTLE)
        stored = self.stored(name)
        properties = stored["body"]["properties"]
        base = f"http://127.0.0.1:{self._cloud.azureml_port}/online/{name}"
        properties["scoringUri"], properties["swaggerUri"] = f"{base}/score", f"{base}/swagger.json"
        properties["provisioningState"] = "Succeeded"
        stored["live"] = {"traffic": properties["traffic"], "mirror": properties["mirrorTraffic"]}
        self._state.put(KIND, name.lower(), stored)

    def _failed(self, name: str) -> Callable[[ArmError], None]:
        def note(_: ArmError) -> None:
            stored = self._state.get(KIND, name.lower())
            if stored is not None:
                stored["body"]["properties"]["provisioningState"] = "Failed"
                # What is in force stays in force: the answer shows it again.
                stored["body"]["properties"]["traffic"] = stored["live"]["traffic"]
                stored["body"]["properties"]["mirrorTraffic"] = stored["live"]["mirror"]
                self._state.put(KIND, name.lower(), stored)

        return note

    def _check_traffic(self, name: str, traffic: Json, mirror: Json, before: Json | None) -> None:
        known = {body["name"]: body["properties"]["provisioningState"] for body in self.deployments(name)}
        for word, shares in (("traffic", traffic), ("mirror traffic", mirror)):
            for deployment, share in shares.items():
                if not isinstance(share, int) or not 0 <= share <= 100:
                    raise invalid(
                        f"The {word} of '{deployment}' is {share!r}: a whole number from 0 to 100 is expected."
                    )
                if deployment not in known:
                    raise invalid(f"The {word} names the deployment '{deployment}', which the endpoint does not have.")
                if share and known[deployment] == "Failed":
                    raise invalid(f"The deployment '{deployment}' has failed and cannot take {word}.")
        if sum(traffic.values()) not in {0, 100}:
            raise invalid(f"The traffic adds up to {sum(traffic.values())}: 0 or 100 is expected.")
        shares = {deployment: share for deployment, share in mirror.items() if share}
        if len(shares) > 1 or any(share > 50 for share in shares.values()):
            raise invalid("Mirror traffic goes to one deployment, and is at most 50 percent.")
        if any(traffic.get(deployment) for deployment in shares):
            raise invalid("A deployment takes live or mirrored traffic, not both.")

    async def _delete(self, call: Call) -> web.Response:
        if self._state.get(KIND, call.name.lower()) is None:
            return web.Response(status=204)
        stored = self.check_idle(call.name)
        stored["body"]["properties"]["provisioningState"] = "Deleting"
        self._state.put(KIND, call.name.lower(), stored)
        name = call.name

        async def remove() -> None:
            await self.on_delete(name)
            self._state.delete(KIND, name.lower())

        return web.Response(status=202, headers=self._operations.begin(call, "oe", f"{KIND}/{name}", remove))

    async def _keys(self, call: Call) -> web.Response:
        stored = self.stored(call.name)
        if stored["body"]["properties"]["authMode"] != "Key":
            raise invalid(f"The endpoint '{call.name}' does not use keys.")
        return reply({"primaryKey": stored["keys"]["primary"], "secondaryKey": stored["keys"]["secondary"]})

    async def _token(self, call: Call) -> web.Response:
        self.stored(call.name)
        token, expires = self._tokens.issue(f"online:{call.name.lower()}")
        refresh = int(time.time()) + 3600
        return reply(
            {"accessToken": token, "expiryTimeUtc": expires, "refreshAfterTimeUtc": refresh, "tokenType": "Bearer"}
        )

    async def _regenerate(self, call: Call) -> web.Response:
        stored = self.stored(call.name)
        which = str(call.body.get("keyType") or "").lower()
        if which not in {"primary", "secondary"}:
            raise invalid("'keyType' must be Primary or Secondary.")
        given = call.body.get("keyValue")
        # azure-ai-ml sends the key that it has just read, and promises a new one.
        stored["keys"][which] = given if given and given != stored["keys"][which] else secrets.token_urlsafe(24)
        self._state.put(KIND, call.name.lower(), stored)
        return web.Response(status=200)

    def allowed(self, stored: Json, header: str) -> bool:
        """Tell whether an Authorization header opens an endpoint."""
        given = header.removeprefix("Bearer ").strip()
        if stored["body"]["properties"]["authMode"] == "Key":
            return any(secrets.compare_digest(given.encode(), key.encode()) for key in stored["keys"].values())
        try:
            self._tokens.check(header)
        except ArmError:
            return False
        return True


async def _nothing(_: str) -> None:
    return


def _fresh_keys() -> dict[str, str]:
    return {"primary": secrets.token_urlsafe(24), "secondary": secrets.token_urlsafe(24)}


def _auth(given: Json, before: Json | None) -> str:
    modes = {"key": "Key", "amltoken": "AMLToken", "aadtoken": "AADToken"}
    asked = str(given.get("authMode") or "Key")
    mode = modes.get(asked.lower())
    if mode is None:
        raise invalid(f"The authentication mode '{asked}' is none of {', '.join(modes.values())}.")
    if before is not None and mode != before["body"]["properties"]["authMode"]:
        raise invalid("The authentication mode of an endpoint cannot be changed.")
    return mode
