"""What Teams and Slack never sent: forged, replayed, and of foreign tenants and workspaces; for any surface.

for name, one in forge_activities(world).items():    world.post(activity | one.activity, token=one.token)
for name, forge in BAD_SIGNATURES.items():           world.post(body, headers=forge(body))
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.slack.endpoint import compute_signature
from tests.builders.slack_world import SECRET
from tests.builders.world import World
from tests.doubles.tokens import APP_ID, ISSUER, KEY_ID, new_key

Json = dict[str, Any]
HOUR = 3600


@dataclass(frozen=True)
class Forgery:
    """A request that must change nothing: its token, and what of a good activity is another in it."""

    token: str | None
    activity: Json = field(default_factory=dict[str, Any])
    status: int = 401


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _sign_symmetrically(payload: Json, secret: bytes) -> str:
    """Sign as a verifier would check that takes a public key for a secret; PyJWT refuses to make one."""
    text = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': KEY_ID})}.{_part(payload)}"
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _forge_tokens(world: World) -> dict[str, str | None]:
    issuer, url, now = world.issuer, world.service_url, int(time.time())
    ours, theirs = issuer.keys[KEY_ID][0], new_key()
    good: Json = {"iss": ISSUER, "aud": APP_ID, "serviceurl": url, "exp": now + HOUR}
    public = ours.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, payload, signature = issuer.token(url).split(".")
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(theirs.public_key(), as_dict=True)
    with_header = {"kid": KEY_ID, "jwk": jwk, "jku": f"{url}/keys", "x5u": f"{url}/keys"}
    return {
        "no token": None,
        "garbage": "garbage",
        "three parts of garbage": "a.b.c",
        "no ASCII": "ä.ö.ü",
        "expired": issuer.token(url, exp=now - HOUR),
        "expired a little longer ago than clocks differ": issuer.token(url, exp=now - 310),
        "without an end": issuer.token(url, exp=None),
        "an end that is no time": issuer.token(url, exp="tomorrow"),
        "not valid yet": issuer.token(url, nbf=now + HOUR),
        "issued in an hour": issuer.token(url, iat=now + HOUR),
        "signed with another key": issuer.token(url, key=theirs),
        "a key that is not published": issuer.token(url, key=theirs, key_id="key-9"),
        "no key is named": jwt.encode(good, ours, algorithm="RS256"),
        "its own key in its header": jwt.encode(good, theirs, algorithm="RS256", headers=with_header),
        "for somebody else": issuer.token(url, aud="someone-else"),
        "for an app whose id begins as ours": issuer.token(url, aud=f"{APP_ID}0"),
        "for us as a resource": issuer.token(url, aud=f"api://{APP_ID}"),
        "for us and others": issuer.token(url, aud=[APP_ID, "someone-else"]),
        "for nobody": issuer.token(url, aud=None),
        "another issuer": issuer.token(url, iss="https://evil.example"),
        "the issuer with a slash": issuer.token(url, iss=f"{ISSUER}/"),
        "several issuers": jwt.PyJWS().encode(
            json.dumps(good | {"iss": [ISSUER]}).encode(), ours, algorithm="RS256", headers={"kid": KEY_ID}
        ),
        "no issuer": issuer.token(url, iss=None),
        "the public cloud's issuer, where another is set": issuer.token(
            url, iss="https://api.botframework.com"
        ),
        "the government cloud's issuer": issuer.token(url, iss="https://api.botframework.us"),
        "the emulator's issuer": issuer.token(
            url, iss="https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/"
        ),
        "the emulator's newer issuer": issuer.token(
            url, iss="https://login.microsoftonline.com/d6d49420-f39b-4df7-a1dc-d59a935871db/v2.0"
        ),
        "another tenant's issuer": issuer.token(url, iss="https://sts.windows.net/t9/", tid="t9"),
        "another service URL": issuer.token("https://evil.example"),
        "a service URL that begins as ours": issuer.token(f"{url}.evil.example"),
        "no service URL": issuer.token(url, serviceurl=None),
        "several service URLs": issuer.token(url, serviceurl=[url]),
        "unsigned": f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': KEY_ID})}.{_part(good)}.",
        "unsigned in capitals": f"{_part({'alg': 'NONE', 'typ': 'JWT', 'kid': KEY_ID})}.{_part(good)}.",
        "the public key as a secret": _sign_symmetrically(good, pem),
        "its number as a secret": _sign_symmetrically(good, public.public_numbers().n.to_bytes(256, "big")),
        "another algorithm": jwt.encode(good, ours, algorithm="RS512", headers={"kid": KEY_ID}),
        "another kind of key": jwt.encode(
            good, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": KEY_ID}
        ),
        "another payload": f"{header}.{_part(good)}.{signature}",
        "another token's signature": f"{header}.{payload}.{issuer.token(url, jti='2').split('.')[2]}",
        "cut": f"{header}.{payload}.{signature[:-9]}",
    }


def forge_activities(world: World) -> dict[str, Forgery]:
    """Return what of an activity of Teams is forged, replayed or of a foreign tenant; `t1` is the bot's."""
    issuer, url = world.issuer, world.service_url
    for key_id, endorsed in (("web", ("webchat",)), ("none", ()), ("near", ("msteams2", "teams"))):
        issuer.keys[key_id] = (issuer.keys[KEY_ID][0], endorsed)
    good = issuer.token(url)
    away = {"id": "a:chat", "conversationType": "personal"}
    return {
        **{name: Forgery(token) for name, token in _forge_tokens(world).items()},
        "a key for another channel": Forgery(issuer.token(url, key_id="web")),
        "a key for no channel": Forgery(issuer.token(url, key_id="none")),
        "a key for a channel with a like name": Forgery(issuer.token(url, key_id="near")),
        "Teams' key for the emulator": Forgery(good, {"channelId": "emulator"}),
        "Teams' key for no channel": Forgery(good, {"channelId": ""}),
        "Teams' key for channels": Forgery(good, {"channelId": ["msteams"]}),
        "a good token, replayed to answer elsewhere": Forgery(good, {"serviceUrl": "https://evil.example"}),
        "a good token, replayed with our address and more": Forgery(good, {"serviceUrl": f"{url}/x"}),
        "a good token, replayed without an address": Forgery(good, {"serviceUrl": None}),
        "a foreign tenant": Forgery(good, {"conversation": away | {"tenantId": "t9"}}, 403),
        "no tenant": Forgery(good, {"conversation": away}, 403),
        "a foreign tenant beside ours": Forgery(good, {"channelData": {"tenant": {"id": "t9"}}}, 403),
    }


# Slack


def sign_at(seconds: int, body: bytes, secret: str = SECRET) -> Json:
    """Return the headers of a request that was signed so many seconds ago."""
    timestamp = str(int(time.time()) - seconds)
    signature = compute_signature(secret.encode(), timestamp, body)
    return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}


def flip_digit(signature: str) -> str:
    """Return a signature with another last digit."""
    return signature[:-1] + ("0" if signature[-1] != "0" else "1")


def _without(*names: str) -> Callable[[bytes], Json]:
    return lambda _: dict.fromkeys(names)


def _with_signature(change: Callable[[str], str]) -> Callable[[bytes], Json]:
    def headers(body: bytes) -> Json:
        right = sign_at(0, body)
        return right | {"X-Slack-Signature": change(right["X-Slack-Signature"])}

    return headers


def _with_timestamp(timestamp: str) -> Callable[[bytes], Json]:
    def headers(body: bytes) -> Json:
        signature = compute_signature(SECRET.encode(), timestamp, body)
        return {"X-Slack-Request-Timestamp": timestamp, "X-Slack-Signature": signature}

    return headers


BAD_SIGNATURES: dict[str, Callable[[bytes], Json]] = {
    "no signature": _without("X-Slack-Signature"),
    "no timestamp": _without("X-Slack-Request-Timestamp"),
    "neither": _without("X-Slack-Signature", "X-Slack-Request-Timestamp"),
    "an empty signature": lambda _: {"X-Slack-Signature": ""},
    "a signature of another secret": lambda body: sign_at(0, body, "another secret"),
    "a signature of another body": lambda _: sign_at(0, b"{}"),
    "a signature with one digit changed": _with_signature(flip_digit),
    "a signature cut short": _with_signature(lambda s: s[:-2]),
    "a signature that is longer": _with_signature(lambda s: s + "00"),
    "a signature in capitals": _with_signature(str.upper),
    "a signature of another version": _with_signature(lambda s: "v1" + s[2:]),
    "a signature without its version": _with_signature(lambda s: s[3:]),
    "a signature with letters beyond ASCII": _with_signature(lambda s: s[:-1] + "é"),
    "signed six minutes ago": lambda body: sign_at(360, body),
    "signed a day ago": lambda body: sign_at(86_400, body),
    "signed in six minutes": lambda body: sign_at(-360, body),
    "a timestamp that is no number": _with_timestamp("now"),
    "a timestamp with a sign": _with_timestamp(f"+{int(time.time())}"),
    "a timestamp with a fraction": _with_timestamp(f"{time.time():.3f}"),
    "a timestamp with a space": _with_timestamp(f"{int(time.time())} 1"),
    "a timestamp that never ends": _with_timestamp("9" * 4_000),
    "a timestamp of digits of another script": _with_timestamp("١٧٠٠٠٠٠٠٠٠"),
    "the timestamp of now with the signature of before": (
        lambda body: sign_at(400, body) | {"X-Slack-Request-Timestamp": str(int(time.time()))}
    ),
}
"""Headers of a request that Slack did not sign, or not for this body, or not now."""

NOBODYS: Json = {"authorizations": []}
FOREIGN_ENVELOPES: dict[str, Json] = {
    "another workspace": {"team_id": "T2"},
    "another workspace, and no installation": {"team_id": "T2"} | NOBODYS,
    "a workspace with a like name": {"team_id": "T11"} | NOBODYS,
    "a workspace in small letters": {"team_id": "t1"} | NOBODYS,
    "a workspace with a space": {"team_id": "T1 "} | NOBODYS,
    "no workspace": {"team_id": None} | NOBODYS,
    "an empty workspace": {"team_id": ""} | NOBODYS,
    "a number": {"team_id": 7} | NOBODYS,
    "a list": {"team_id": ["T1"]} | NOBODYS,
    "an object": {"team_id": {"id": "T1"}} | NOBODYS,
    "another workspace's installation": {"authorizations": [{"team_id": "T2", "is_bot": True}]},
    "another bot's installation": {
        "authorizations": [{"team_id": "T2", "user_id": "UBOT", "is_bot": True, "enterprise_id": "E2"}]
    },
    "another kind": {"type": "event_callback_x"},
    "no kind": {"type": None},
    "a kind that is a list": {"type": ["event_callback"]},
    "an event that is a list": {"event": []},
    "an event that is a text": {"event": "message"},
    "no event": {"event": None},
}
"""Fields of an envelope of Slack's events that is of another workspace, or none at all."""

FOREIGN_PAYLOADS: dict[str, Json] = {
    "another workspace": {"team": {"id": "T2", "domain": "two"}},
    "a workspace with a like name": {"team": {"id": "T11"}},
    "a workspace in small letters": {"team": {"id": "t1"}},
    "a workspace with a space": {"team": {"id": "T1 "}},
    "an empty workspace": {"team": {"id": ""}},
    "a workspace that is a number": {"team": {"id": 7}},
    "a workspace that is a list": {"team": ["T1"]},
    "no workspace": {"team": None, "user": {"id": "U1"}},
    "a workspace without an id": {"team": {}, "user": {"id": "U1"}},
    "somebody of another workspace": {"user": {"id": "U1", "team_id": "T2"}},
    "somebody of a like workspace": {"user": {"id": "U1", "team_id": "t1"}},
    "nobody": {"user": None},
    "somebody without an id": {"user": {}},
    "somebody whose id is a number": {"user": {"id": 7, "team_id": "T1"}},
    "somebody with a space in their id": {"user": {"id": "U 1", "team_id": "T1"}},
    "another kind": {"type": "x"},
    "a kind that is a list": {"type": ["message_action"]},
}
"""Fields of a press or a form of Slack's that is of another workspace, or of nobody."""
