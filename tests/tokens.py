"""An issuer of channel tokens that really signs: RS256 keys, a JWKS with endorsements, OpenID metadata over HTTP."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

APP_ID = "11111111-2222-3333-4444-555555555555"
ISSUER = "https://issuer.example"
KEY_ID = "key-1"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """Serve `app`, then point the bot at `/metadata`. `gate` holds answers back, `fetches` counts them."""

    def __init__(self, endorsements: tuple[str, ...] = ("msteams",)) -> None:
        self.keys: dict[str, tuple[rsa.RSAPrivateKey, tuple[str, ...]]] = {KEY_ID: (new_key(), endorsements)}
        self.fetches = 0
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False
        self.app = web.Application()
        self.app.router.add_get("/metadata", self._metadata)
        self.app.router.add_get("/keys", self._keys)

    def token(self, service_url: str, *, key_id: str = KEY_ID, key: Any = None, **claims: Any) -> str:
        """Return a good token but for what is given; a claim of None is left out."""
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": APP_ID,
            "serviceurl": service_url,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        payload = {name: value for name, value in (payload | claims).items() if value is not None}
        return jwt.encode(payload, key or self.keys[key_id][0], algorithm="RS256", headers={"kid": key_id})

    async def _metadata(self, request: web.Request) -> web.Response:
        self.fetches += 1
        self.asked.set()
        await self.gate.wait()
        if self.broken:
            return web.Response(status=500)
        return web.json_response({"issuer": ISSUER, "jwks_uri": str(request.url.with_path("/keys"))})

    async def _keys(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "keys": [
                    RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
                    | {"kid": key_id, "endorsements": list(endorsements)}
                    for key_id, (key, endorsements) in self.keys.items()
                ]
            }
        )
