"""The tab in Teams: whose token opens it, what it shows, and what people do there with their data."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr

from bot.app import CannotServe, check_channels
from bot.teams.channel import list_tab_tenants
from bot.teams.tab.page import FOREIGN, FRAMES, NOT_SENT_HERE, SIGN_IN, find_teams_js
from core.records import ReviewReason, Ruling, Verdict
from core.settings import Settings
from feedback.reviews.repository import Notification
from feedback.store.base import moment
from tests.builders.tab import ADA, BOB, PRESS, SAID, Tab, a_tab
from tests.builders.world import CITED, NOW, a_world
from tests.doubles.entra import FOREIGN_TENANT, OTHER_TENANT, TENANT
from tests.doubles.tokens import APP_ID, KEY_ID, new_key

HOUR = 3600
CHAT = {"id": "a:ada", "conversationType": "personal", "tenantId": TENANT}


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with a_world() as world, a_tab(world) as tab:
        yield tab


async def ask_in_chat(tab: Tab, text: str, person: str = ADA, id_: str = "1") -> None:
    sender = {"id": f"29:{person}", "aadObjectId": person, "name": "Ada"}
    await tab.world.ask(text, id=id_, conversation=CHAT | {"id": f"a:{person}"}, **{"from": sender})
    await tab.world.settled()


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _sign_symmetrically(payload: dict[str, Any], secret: bytes) -> str:
    text = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': KEY_ID})}.{_part(payload)}"
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _bad_tokens(tab: Tab) -> dict[str, str | None]:
    entra, now = tab.entra, int(time.time())
    ours, theirs = entra.keys[TENANT][KEY_ID], new_key()
    entra.keys[OTHER_TENANT] = {"key-2": new_key()}
    good = entra.claims(ADA)
    pem = ours.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(theirs.public_key(), as_dict=True)
    header, payload, signature = entra.token(ADA).split(".")
    return {
        "no token": None,
        "garbage": "garbage",
        "three parts of garbage": "a.b.c",
        "very long": "a" * 8_000,
        "a payload that is no object": f"{header}.{_part([1])}.{signature}",
        "expired": entra.token(ADA, exp=now - HOUR),
        "without an end": entra.token(ADA, exp=None),
        "an end that is no time": entra.token(ADA, exp="tomorrow"),
        "not valid yet": entra.token(ADA, nbf=now + HOUR),
        "issued in an hour": entra.token(ADA, iat=now + HOUR),
        "signed with another key": entra.token(ADA, key=theirs),
        "a key that is not published": entra.token(ADA, key=theirs, key_id="key-9"),
        "signed by our tenant for the other one": entra.token(ADA, OTHER_TENANT, key=ours),
        "another of our tenants' key": entra.token(
            ADA, key=entra.keys[OTHER_TENANT]["key-2"], key_id="key-2"
        ),
        "its own key in its header": jwt.encode(
            good, theirs, algorithm="RS256", headers={"kid": KEY_ID, "jwk": jwk, "jku": f"{entra.url}/keys"}
        ),
        "no key is named": jwt.encode(good, ours, algorithm="RS256"),
        "unsigned": f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': KEY_ID})}.{_part(good)}.",
        "the public key as a secret": _sign_symmetrically(good, pem),
        "another algorithm": jwt.encode(good, ours, algorithm="RS512", headers={"kid": KEY_ID}),
        "another payload": f"{header}.{_part(entra.claims(BOB))}.{signature}",
        "cut": f"{header}.{payload}.{signature[:-9]}",
        "for another app": entra.token(ADA, aud=BOB),
        "for Microsoft Graph": entra.token(ADA, aud="00000003-0000-0000-c000-000000000000"),
        "for the API of another host": entra.token(ADA, aud=f"api://evil.example/{APP_ID}"),
        "for us and others": entra.token(ADA, aud=[APP_ID, BOB]),
        "for nobody": entra.token(ADA, aud=None),
        "of version 1": entra.token(ADA, iss=f"https://sts.windows.net/{TENANT}/", ver="1.0"),
        "of version 1 in all but its issuer": entra.token(ADA, ver="1.0"),
        "the channel's issuer": entra.token(ADA, iss="https://api.botframework.com"),
        "an issuer elsewhere": entra.token(ADA, iss=f"https://evil.example/{TENANT}/v2.0"),
        "the issuer of our other tenant": entra.token(ADA, iss=f"{entra.url}/{OTHER_TENANT}/v2.0"),
        "no issuer": entra.token(ADA, iss=None),
        "asked by another app": entra.token(ADA, azp=BOB),
        "asked by nobody": entra.token(ADA, azp=None),
        "an older claim of who asked": entra.token(ADA, azp=None, appid=BOB),
        "another right": entra.token(ADA, scp="User.Read"),
        "a right that begins the same": entra.token(ADA, scp="access_as_user_admin"),
        "an app's own token": entra.token(ADA, scp=None, roles=["access_as_user"], idtyp="app"),
        "about nobody": entra.token(ADA, oid=None),
        "about somebody without an id": entra.token("ada"),
        "about several": entra.token(ADA, oid=[ADA, BOB]),
    }


def _foreign_tokens(tab: Tab) -> dict[str, str]:
    entra = tab.entra
    return {
        "a foreign tenant": entra.token(ADA, FOREIGN_TENANT),
        "a foreign tenant with our issuer": entra.token(ADA, tid=FOREIGN_TENANT),
        "no tenant": entra.token(ADA, tid=None),
        "several tenants": entra.token(ADA, tid=[TENANT, FOREIGN_TENANT]),
        "any tenant": entra.token(ADA, tid="common"),
        "a tenant that is a path": entra.token(ADA, tid=f"../{TENANT}"),
    }


async def test_forged_replayed_and_foreign_tokens_open_nothing_and_change_nothing(tab: Tab) -> None:
    await ask_in_chat(tab, "How much leave?")
    kept = dict(tab.world.store.documents.kept)
    bad = {name: (token, 401, SIGN_IN) for name, token in _bad_tokens(tab).items()}
    foreign = {name: (token, 403, FOREIGN) for name, token in _foreign_tokens(tab).items()}
    assert len(bad | foreign) >= 40
    for name, (token, status, sentence) in (bad | foreign).items():
        for path in ("overview", *SAID):
            got = await tab.ask(path, token, SAID.get(path))
            assert (name, path, *got) == (name, path, status, {"error": sentence})
    assert tab.world.store.documents.kept == kept
    assert len(tab.world.store.questions) == 1
    assert not tab.heard
    assert FOREIGN_TENANT not in tab.entra.fetches, "nobody's keys are fetched but our tenants'"
    assert (await tab.ask("overview", tab.entra.token(ADA)))[0] == 200, "the same without a forgery"


async def test_a_token_of_the_channel_does_not_open_the_tab_nor_one_of_the_tab_the_channel(tab: Tab) -> None:
    channels = tab.world.issuer.token(tab.world.service_url)
    assert (await tab.ask("overview", channels))[0] == 403
    assert (await tab.world.post(tab.world.activity(text="hi"), token=tab.entra.token(ADA)))[0] == 401


async def test_keys_are_kept_and_changed_ones_fetched_and_without_any_it_is_to_be_tried_again(
    tab: Tab,
) -> None:
    tab.entra.broken = True
    assert (await tab.ask("overview", tab.entra.token(ADA)))[0] == 503
    tab.entra.broken = False
    for _ in range(3):
        assert (await tab.ask("overview", tab.entra.token(ADA)))[0] == 200
    assert tab.entra.fetches == [TENANT] * 2
    old = tab.entra.token(ADA)
    tab.entra.keys[TENANT] = {"key-2": new_key()}
    assert (await tab.ask("overview", tab.entra.token(ADA, key_id="key-2")))[0] == 200
    assert (await tab.ask("overview", old))[0] == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "delete",
        {"press": PRESS},
        {"press": "", "sure": True, "on": True},
        {"press": "x" * 36, "sure": True, "on": True},
        {"press": [PRESS], "sure": True, "on": True},
        {"press": PRESS, "sure": "true", "on": "false"},
        {"press": PRESS, "sure": 1, "on": 0},
        {"press": PRESS, "sure": True, "on": True, "more": "x" * 5_000},
    ],
)
async def test_what_the_tab_does_not_send_does_nothing(tab: Tab, body: Any) -> None:
    await ask_in_chat(tab, "How much leave?")
    kept = dict(tab.world.store.documents.kept)
    for path in ("learning", "delete"):
        status, said = await tab.ask(path, tab.entra.token(ADA), body)
        assert (status in {400, 413, 415}, said) == (True, {"error": NOT_SENT_HERE})
    assert (await tab.ask("delete", tab.entra.token(ADA), {"press": PRESS, "sure": False}))[0] == 400
    assert tab.world.store.documents.kept == kept
    assert len(tab.world.store.questions) == 1


async def test_somebody_sees_what_they_asked_in_chat_and_nobody_elses(tab: Tab) -> None:
    await ask_in_chat(tab, "How much leave?")
    await ask_in_chat(tab, "Something of Bob’s?", BOB, "2")
    for token in (tab.entra.token(ADA), tab.entra.token(ADA.upper(), aud=f"api://bot.example/{APP_ID}")):
        status, mine = await tab.ask("overview", token)
        assert status == 200
        (asked,) = mine["questions"]
        assert (asked["text"], asked["answer"]) == ("How much leave?", "You get 16 weeks [1].")
        assert asked["sources"] == [
            {"name": "Leave › Parents", "url": "https://bot.example/site/leave#parents"}
        ]
        assert mine["asked"] == 1
        assert [page["name"] for group in mine["pages"]["groups"] for page in group["pages"]] == [
            "Leave",
            "Travel",
        ]
    assert tab.heard == [ADA, ADA]
    _, theirs = await tab.ask("overview", tab.entra.token(ADA, OTHER_TENANT))
    assert theirs["asked"] == 1, "an object id is one person's in all directories"


@pytest.mark.parametrize(
    ("verdict", "words", "answer", "state"),
    [
        (
            Verdict("r1", "Robin", Ruling.APPROVED, NOW),
            "the answer is right",
            "You get 16 weeks [1].",
            "checked by a reviewer",
        ),
        (
            Verdict("r1", "Robin", Ruling.CORRECTED, NOW, "It is 18 weeks.", CITED),
            "Your correction is live",
            "It is 18 weeks.",
            "corrected by a reviewer",
        ),
        (
            Verdict("r1", "Robin", Ruling.NOT_ON_PAGE, NOW),
            "it is not on the page",
            "A reviewer checked: it is not on the page.",
            "checked by a reviewer",
        ),
        (
            Verdict("r1", "Robin", Ruling.REJECTED, NOW),
            "A reviewer looked at your question",
            "You get 16 weeks [1].",
            "answered",
        ),
    ],
    ids=lambda one: str(one.ruling) if isinstance(one, Verdict) else "",
)
async def test_what_a_reviewer_decided_takes_the_answers_place_and_stands_among_the_changes(
    tab: Tab, verdict: Verdict, words: str, answer: str, state: str
) -> None:
    await ask_in_chat(tab, "How much leave?")
    _, before = await tab.ask("overview", tab.entra.token(ADA))
    assert "Nothing yet." in before["changes"][0]["text"]
    (given,) = tab.world.store.answers.values()
    parts = tab.world.parts
    await parts.repository.add_notice(Notification(given.id, parts.pseudonym(ADA), moment(NOW)))
    await parts.reviewing.flag(given, ReviewReason.THUMB_DOWN)
    await parts.reviewing.rule(given.id, 1, verdict)
    _, after = await tab.ask("overview", tab.entra.token(ADA))
    told = " ".join(one["text"] for one in after["changes"])
    assert words in told
    assert "How much leave?" in told
    (asked,) = after["questions"]
    assert (asked["answer"], asked["state"]) == (answer, state)


async def test_an_export_opens_what_the_chat_would_and_for_the_person_alone(tab: Tab) -> None:
    await ask_in_chat(tab, "How much leave?")
    status, said = await tab.ask("export", tab.entra.token(ADA), SAID["export"])
    assert status == 200
    base = "https://bot.example/privacy/export/"
    assert said["url"].startswith(base)
    link = tab.world.parts.links.read("/privacy/export/", said["url"].removeprefix(base))
    assert link is not None
    assert link.person == tab.world.parts.pseudonym(ADA)


async def test_a_choice_is_kept_and_an_older_press_that_comes_again_changes_nothing(tab: Tab) -> None:
    token = tab.entra.token(ADA)
    assert (await tab.ask("learning", token, SAID["learning"])) == (200, {"learning": False})
    assert (await tab.ask("overview", token))[1]["learning"] is False
    back = {"press": PRESS.replace("1", "2"), "on": True}
    assert (await tab.ask("learning", token, back))[0] == 200
    assert (await tab.ask("learning", token, SAID["learning"]))[0] == 200
    assert (await tab.ask("overview", token))[1]["learning"] is True
    assert (await tab.ask("overview", tab.entra.token(BOB)))[1]["learning"] is True


async def test_who_is_sure_has_everything_deleted_and_nobody_elses(tab: Tab) -> None:
    await ask_in_chat(tab, "How much leave?")
    await ask_in_chat(tab, "Something of Bob’s?", BOB, "2")
    token = tab.entra.token(ADA)
    assert (await tab.ask("delete", token, SAID["delete"]))[0] == 200
    await tab.world.parts.privacy.wait_until_settled()
    assert (await tab.ask("overview", token))[1]["asked"] == 0
    assert (await tab.ask("overview", tab.entra.token(BOB)))[1]["asked"] == 1
    assert (await tab.ask("delete", token, SAID["delete"]))[1] == {"state": "done"}, (
        "the same press once more"
    )


async def test_the_page_is_for_frames_of_teams_alone_and_runs_nothing_from_elsewhere(tab: Tab) -> None:
    for path in ("", "/files/tab.js", "/files/tab.css", "/files/palette.css", "/files/element.js"):
        async with tab.http.get(f"{tab.url}/teams/tab{path}") as response:
            assert response.status == 200
            policy = dict(
                one.strip().split(" ", 1) for one in response.headers["Content-Security-Policy"].split(";")
            )
            assert policy["frame-ancestors"].split() == list(FRAMES)
            assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == (
                "'none'",
                "'self'",
                "'self'",
            )
            assert "X-Frame-Options" not in response.headers
    for name in ("tab.html", "../tokens.py", "..%2ftokens.py", "index.html", ""):
        async with tab.http.get(f"{tab.url}/teams/tab/files/{name}") as response:
            assert response.status == 404


async def test_the_tab_is_served_by_the_bot_where_it_is_wished_and_by_no_other_rule() -> None:
    told = {"app_id": APP_ID, "app_password": SecretStr("very"), "teams_tab": True}
    with pytest.raises(CannotServe, match="ASKPAGE_PUBLIC_URL"):
        check_channels(Settings(**told, app_tenant_id=TENANT))
    with pytest.raises(CannotServe, match="ASKPAGE_ALLOWED_TENANTS"):
        check_channels(Settings(**told, app_type="MultiTenant", public_url="https://bot.example"))
    whole = Settings(**told, app_tenant_id=TENANT, public_url="https://bot.example")
    if find_teams_js() is None:
        with pytest.raises(CannotServe, match="make setup"):
            check_channels(whole)
    else:
        check_channels(whole)
    assert list_tab_tenants(Settings(app_tenant_id=TENANT)) == (TENANT,)
    assert list_tab_tenants(Settings(app_tenant_id=TENANT, allowed_tenants=[OTHER_TENANT])) == (OTHER_TENANT,)
