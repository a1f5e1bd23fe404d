"""An issuer of channel tokens that really signs: RS256, a JWKS with endorsements, OpenID metadata."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm

APP_ID = "11111111-2222-3333-4444-555555555555"
ISSUER = "https://issuer.example"
KEY_ID = "key-1"
LOOPBACK = ipaddress.ip_address("127.0.0.1")


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def first_key() -> rsa.RSAPrivateKey:
    """Return the key of every issuer at first, made once a process: that takes 40 ms of a processor."""
    return new_key()


def certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate for 127.0.0.1 in `folder`/cert.pem, and the server's side of it."""
    key, name = first_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


class LoginDouble:
    """What Entra is to MSAL: metadata and a token endpoint. `granted` has the forms that came, with `tenant`.

    `/msi` is where a machine with a managed identity asks, as in Azure App Service; `identity` is its secret
    header.
    """

    identity = "the machine's own"

    def __init__(self) -> None:
        self.granted: list[dict[str, str]] = []
        self.app = web.Application()
        self.app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self._metadata)
        self.app.router.add_post("/{tenant}/oauth2/v2.0/token", self._token)
        self.app.router.add_get("/msi", self._managed)

    async def _metadata(self, request: web.Request) -> web.Response:
        base = f"https://{request.host}/{request.match_info['tenant']}"
        return web.json_response(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            },
            headers={"Connection": "close"},  # MSAL keeps connections open that nobody can close
        )

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.granted.append(form | {"tenant": request.match_info["tenant"]})
        body = {"token_type": "Bearer", "expires_in": 3600, "access_token": f"token {len(self.granted)}"}
        return web.json_response(body, headers={"Connection": "close"})

    async def _managed(self, request: web.Request) -> web.Response:
        if request.headers.get("X-IDENTITY-HEADER") != self.identity:
            return web.json_response({"statusCode": 400, "message": "not this machine"}, status=400)
        self.granted.append(dict(request.query))
        token = {"access_token": f"token {len(self.granted)}", "expires_on": str(int(time.time()) + 3600)}
        body = token | {"resource": request.query["resource"], "token_type": "Bearer"}
        return web.json_response(body, headers={"Connection": "close"})


@functools.lru_cache(maxsize=64)
def _sign(payload: str, key: rsa.RSAPrivateKey, key_id: str) -> str:
    """Return a token; the same one is signed once, which takes a millisecond."""
    return jwt.encode(json.loads(payload), key, algorithm="RS256", headers={"kid": key_id})


class Issuer:
    """Serve `app`, then point the bot at `/metadata`. `gate` holds answers back, `fetches` counts them."""

    def __init__(self, endorsements: tuple[str, ...] = ("msteams",)) -> None:
        self.keys: dict[str, tuple[rsa.RSAPrivateKey, tuple[str, ...]]] = {
            KEY_ID: (first_key(), endorsements)
        }
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
        return _sign(json.dumps(payload), key or self.keys[key_id][0], key_id)

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
