"""Redirects that ask people to sign in, of many services, and redirects that only look so."""

from __future__ import annotations

import pytest

from pages.fetch.sign_in import is_sign_in
from pages.fetch.ssrf import parse_address

ASKED = "https://wiki.corp.example/x/leave"


@pytest.mark.parametrize(
    "found",
    [
        "https://login.microsoftonline.com/common/oauth2/v2.0/authorize?client_id=1",
        "https://acme.okta.com/app/wiki/exk1/sso/saml",
        "https://accounts.google.com/v3/signin/identifier?continue=https%3A%2F%2Fdocs.google.com",
        "https://id.atlassian.com/login?continue=x",
        "https://acme.eu.auth0.com/u/login",
        "https://acme.cloudflareaccess.com/cdn-cgi/access/login/wiki.corp.example",
        "https://wiki.corp.example/login.action?os_destination=%2Fx%2Fleave",
        "https://wiki.corp.example/login?next=/x/leave",
        "https://wiki.corp.example/users/sign_in?redirect_to=%2Fx",
        "https://wiki.corp.example/wp-login.php?redirect_to=x&reauth=1",
        "https://wiki.corp.example/_layouts/15/Authenticate.aspx?Source=%2Fx",
        "https://wiki.corp.example/account/Login?ReturnUrl=%2Fx",
        "https://sso.corp.example/realms/corp/protocol/openid-connect/auth?redirect_uri=x",
        "https://adfs.corp.example/adfs/ls/?SAMLRequest=x",
        "https://corp.example/accounts/login/",
    ],
)
def test_a_redirect_to_a_place_to_sign_in_is_known(found: str) -> None:
    assert is_sign_in(parse_address(ASKED), parse_address(found))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (ASKED, "https://wiki.corp.example/x/leave/"),
        (ASKED, "https://www.wiki.corp.example/x/leave"),
        (ASKED, "https://wiki.corp.example/help/login"),
        ("https://docs.example.com/cli/login", "https://docs.example.com/cli/login/"),
        ("https://docs.example.com/login", "https://docs.example.com/en/login?ref=nav"),
        (ASKED, "https://wiki.corp.example/logistics?next=2"),
        (ASKED, "https://wiki.corp.example/blog/how-to-login?ref=x"),
        ("https://help.okta.com/oie/a", "https://help.okta.com/oie/b"),
        ("http://login.corp.example/help", "https://login.corp.example/help"),
    ],
)
def test_another_redirect_is_followed(asked: str, found: str) -> None:
    assert not is_sign_in(parse_address(asked), parse_address(found))
