"""Access tokens of the laptop: given by the endpoint of managed identities, checked by Azure ML and by storage."""

import hashlib
import secrets
import time
import uuid
from collections.abc import Sequence
from typing import Final

import jwt
from aiohttp import web

from local.azureml.routes import Call
from local.azureml.wire import ArmError, reply
from local.config import TENANT, Cloud

_TOKEN_LIFE: Final = 24 * 3600


class Tokens:
    """Access tokens of the laptop: signed with a key of this cloud, so that no other user's process gets in."""

    def __init__(self, cloud: Cloud) -> None:
        self._header = cloud.keys["identity"]
        self._key = hashlib.sha256(self._header.encode()).digest()

    def issue(self, resource_uri: str) -> tuple[str, int]:
        """Give a token whose audience is the resource, and when it ends (seconds since 1970)."""
        expires = int(time.time()) + _TOKEN_LIFE
        claims = {
            "aud": resource_uri,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "tid": TENANT,
            "oid": str(uuid.uuid5(uuid.NAMESPACE_URL, "laptop-user")),
            "iat": expires - _TOKEN_LIFE,
            "nbf": expires - _TOKEN_LIFE,
            "exp": expires,
        }
        return jwt.encode(claims, self._key, algorithm="HS256"), expires

    def check(self, header: str, audiences: Sequence[str] = ()) -> None:
        """Raise ArmError (401) where an Authorization header holds no token of this cloud, for one of the audiences."""
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise ArmError(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        try:
            jwt.decode(
                token.strip(),
                self._key,
                algorithms=["HS256"],
                audience=audiences or None,
                options={"verify_aud": bool(audiences)},
            )
        except jwt.InvalidTokenError as error:
            message = (
                f"The access token is invalid: {error}. Source the laptop cloud's env file; it names the identity."
            )
            raise ArmError(401, "InvalidAuthenticationToken", message) from None

    async def answer(self, call: Call) -> web.Response:
        """Answer as the endpoint of managed identities of App Service does, or of deployments (api-version 2017-09-01).

        https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
        """
        name = "secret" if call.query.get("api-version") == "2017-09-01" else "X-IDENTITY-HEADER"
        if not secrets.compare_digest(call.request.headers.get(name, "").encode(), self._header.encode()):
            return reply({"statusCode": 401, "message": f"The header {name} is not that of this cloud."}, 401)
        wanted = call.query.get("resource", "")
        if not wanted:
            return reply({"statusCode": 400, "message": "The query parameter 'resource' is missing."}, 400)
        token, expires = self.issue(wanted)
        return reply({"access_token": token, "expires_on": str(expires), "resource": wanted, "token_type": "Bearer"})
