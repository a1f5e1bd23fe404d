"""Microsoft Entra ID for one app's API: tenants with keys, metadata, and access tokens as Teams gets them.

Source: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference (version 2.0)
"""

from __future__ import annotations

import time
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.doubles.tokens import APP_ID, KEY_ID, first_key

TENANT = "aaaaaaaa-0000-4000-8000-000000000001"
OTHER_TENANT = "bbbbbbbb-0000-4000-8000-000000000002"
FOREIGN_TENANT = "cccccccc-0000-4000-8000-000000000003"
TEAMS_WEB = "5e3ce6c0-2b1f-4285-8d4b-75ee78787346"
Json = dict[str, Any]


class EntraDouble:
    """Serve `app`; `login_url` is then its address with the tenant's place. `fetches` counts per tenant."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, rsa.RSAPrivateKey]] = {
            name: {KEY_ID: first_key()} for name in (TENANT, OTHER_TENANT, FOREIGN_TENANT)
        }
        self.fetches: list[str] = []
        self.broken = False
        self.url = ""
        self.app = web.Application()
        self.app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self._metadata)
        self.app.router.add_get("/{tenant}/discovery/v2.0/keys", self._keys)

    @property
    def login_url(self) -> str:
        return f"{self.url}/{{tenant}}"

    def claims(self, person: str, tenant: str = TENANT, **claims: Any) -> Json:
        """Return what a good token says but for what is given; a claim of None is left out."""
        now = int(time.time())
        good: Json = {
            "aud": APP_ID,
            "iss": f"{self.url}/{tenant}/v2.0",
            "iat": now - 5,
            "nbf": now - 5,
            "exp": now + 3600,
            "azp": TEAMS_WEB,
            "azpacr": "0",
            "name": "Somebody",
            "oid": person,
            "scp": "access_as_user",
            "sub": "pairwise",
            "tid": tenant,
            "ver": "2.0",
        }
        return {name: value for name, value in (good | claims).items() if value is not None}

    def token(
        self, person: str, tenant: str = TENANT, key: Any = None, key_id: str = KEY_ID, **claims: Any
    ) -> str:
        """Return a token, good but for what is given."""
        signs = key or self.keys[tenant][key_id]
        said = self.claims(person, tenant, **claims)
        return jwt.encode(said, signs, algorithm="RS256", headers={"kid": key_id})

    async def _metadata(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        self.fetches.append(tenant)
        if self.broken:
            return web.Response(status=500)
        base = f"{self.url}/{tenant}"
        return web.json_response({"issuer": f"{base}/v2.0", "jwks_uri": f"{base}/discovery/v2.0/keys"})

    async def _keys(self, request: web.Request) -> web.Response:
        keys = [
            RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "use": "sig"}
            for key_id, key in self.keys[request.match_info["tenant"]].items()
        ]
        return web.json_response({"keys": keys})
