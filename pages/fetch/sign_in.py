"""Recognises addresses at which people sign in: a page that redirects there is shown to nobody else.

Known hosts of identity services are enough. A path that reads like a sign-in page counts where it goes with
the request of a page (a parameter that says where to go back to, or another host); a bare `/login` of the
same site may be a page about logging in, and is looked at itself (`pages.parse.landing`).
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from pages.fetch.ssrf import Address

_HOSTS = frozenset(
    """
    login.microsoftonline.com login.microsoftonline.us login.partner.microsoftonline.cn login.microsoft.com
    login.windows.net login.live.com sts.windows.net accounts.google.com id.atlassian.com auth.atlassian.com
    auth.openai.com appleid.apple.com signin.aws.amazon.com login.salesforce.com slack.com/signin
    www.notion.so/login idp.feide.no login.yahoo.com
    """.split()  # noqa: SIM905 - a list of names reads better so
)
_DOMAINS = (
    ".okta.com",
    ".oktapreview.com",
    ".okta-emea.com",
    ".auth0.com",
    ".onelogin.com",
    ".pingidentity.com",
    ".pingone.com",
    ".pingone.eu",
    ".b2clogin.com",
    ".ciamlogin.com",
    ".cloudaccess.com",
    ".duosecurity.com",
    ".amazoncognito.com",
    ".cloudflareaccess.com",
    ".awsapps.com",
    ".jumpcloud.com",
)
_HOST_LABELS = frozenset("login signin sso auth idp adfs sts oauth accounts cas saml".split())  # noqa: SIM905
_SEGMENTS = re.compile(
    r"(?:log|sign)[-_]?(?:in|on)(?:page|form)?(?:\.(?:action|jsp|aspx?|php|html?|do))?|wp-login\.php|sso"
    r"|anmelden|anmeldung|connexion|authenticate(?:\.aspx)?|authwall|openid-connect|saml2?|adfs|oauth2?"
    r"|authorize|servicelogin|interactivelogin"
)
_RETURNS = frozenset(
    """
    next return returnto return_to returnurl return_url continue redirect redirecturl redirect_url
    redirect_uri redirect_to back backurl from goto dest destination target targeturl service
    os_destination source ref url
    samlrequest relaystate client_id wa wtrealm wctx rd permissionviolation origin returnuri forward fromuri
    """.split()  # noqa: SIM905
)


def is_sign_in(asked: Address, found: Address) -> bool:
    """Tell whether a request of the page `asked` was sent to sign in at `found`."""
    if _is_identity_service(found) and not _is_identity_service(asked):
        return True
    if not _reads_like_sign_in(found) or _reads_like_sign_in(asked):
        return False
    return found.host != asked.host or _names_way_back(found)


def _is_identity_service(address: Address) -> bool:
    first = address.path_and_query.split("?")[0].split("/")[1:2]
    named = f"{address.host}/{first[0] if first else ''}"
    return address.host in _HOSTS or named in _HOSTS or address.host.endswith(_DOMAINS)


def _reads_like_sign_in(address: Address) -> bool:
    path = urlsplit(address.path_and_query).path.lower()
    return any(_SEGMENTS.fullmatch(segment) for segment in path.split("/") if segment) or (
        address.host.split(".")[0] in _HOST_LABELS
    )


def _names_way_back(address: Address) -> bool:
    query = urlsplit(address.path_and_query).query
    named = {name.lower().replace("-", "_") for name, _ in parse_qsl(query, keep_blank_values=True)}
    return bool(named & _RETURNS)
