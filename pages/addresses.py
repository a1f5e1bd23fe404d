"""Which addresses may be opened: how a URL must be written, which sites are allowed, which networks are closed.

Two checks, on purpose with nothing in common. `parse` accepts only URLs that every parser reads the same way, so
that what was checked is what is connected to; a spelling that two programs could read differently is refused, not
repaired. `why_closed` looks at the numbers that the name resolved to, whoever wrote them.

A site may lie in a private network (10/8, 172.16/12, 192.168/16, fc00::/7) only when the operator names its host
exactly in `allowed_sites`: "*" and ".example.com" never open one, because then a stranger's DNS could point there.
Loopback, link-local and the clouds' metadata addresses stay closed even then.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import quote, urljoin

import idna

from pages.refusals import AddressRefused

USUAL_PORTS = frozenset({80, 443, 8080, 8443})
LONGEST_URL = 4000
LONGEST_NAME = 253

_DEFAULT_PORT = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>[^:/?#]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?", re.DOTALL
)
_IPV6_AUTHORITY = re.compile(r"\[(?P<host>[0-9a-f:.]*)\](?::(?P<port>[0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
_NAME_AUTHORITY = re.compile(r"(?P<host>[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_PATH_CHARACTERS = "/:@!$&'()*+,;=~-._%"

# 168.63.129.16 is Azure's own, 192.0.0.192 Oracle's, 100.100.100.200 Alibaba's: metadata outside 169.254/16.
_NEVER_4 = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_PRIVATE_4 = tuple(ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
# Of IPv6 only the global unicast block is open, without what embeds other addresses or belongs to documentation.
_GLOBAL_6 = ip_network("2000::/3")
_NEVER_6 = tuple(
    ip_network(block)
    for block in (
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
        "fd00:ec2::/32",
        "fd20:ce::/32",
        "fd00:c1::/32",
    )
)
_PRIVATE_6 = ip_network("fc00::/7")
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Address:
    """A URL taken apart: `host` is lower-case ASCII without a trailing dot, an IPv6 literal without brackets."""

    scheme: str
    host: str
    port: int
    path_and_query: str

    @property
    def site(self) -> str:
        """`host` or `host:port`, the way people write it and `allowed_sites` names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORT[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, without a fragment."""
        return f"{self.scheme}://{self.site}{self.path_and_query}"


def parse(url: str) -> Address:
    """Take a URL apart, or raise AddressRefused when it is not plainly an http(s) address."""
    url = url.strip(" \t\r\n")
    if len(url) > LONGEST_URL:
        raise AddressRefused(
            f"That address is longer than {LONGEST_URL} characters; please send a shorter one."
        )
    parts = _URL.fullmatch(url)
    if parts is None:
        raise AddressRefused("That is not a whole web address; it should look like https://example.com/page.")
    scheme = parts["scheme"].lower()
    if scheme not in _DEFAULT_PORT:
        raise AddressRefused("I can only open addresses that begin with https:// or http://.")
    if "\\" in parts["authority"] + parts["path"] or any(_is_invisible(character) for character in url):
        raise AddressRefused(
            "That address has characters that do not belong in one; please copy it from the address bar of a browser."
        )
    host, port = _host_and_port(parts["authority"])
    return Address(scheme, host, port or _DEFAULT_PORT[scheme], _escape(parts["path"], parts["query"]))


def join(base: str, link: str) -> str:
    """Return the address that a link on the page `base` means, as text that still has to pass `parse`."""
    if "\\" in link or any(_is_invisible(character) for character in link):
        raise AddressRefused("The page leads to an address that cannot be read; please open it in a browser.")
    try:
        return urljoin(base, link)
    except ValueError:
        raise AddressRefused("The page leads to an address that cannot be read.") from None


def is_site_allowed(address: Address, allowed_sites: tuple[str, ...]) -> bool:
    """Say whether the operator's list covers this host and port."""
    if is_named_exactly(address, allowed_sites):
        return True
    return address.port in USUAL_PORTS and any(
        site == "*" or (site.startswith(".") and (address.host == site[1:] or address.host.endswith(site)))
        for site in map(str.lower, allowed_sites)
    )


def is_named_exactly(address: Address, allowed_sites: tuple[str, ...]) -> bool:
    """Say whether the operator named this very host, which may then be private; `host:port` names one port of it."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    names = {site.lower() for site in allowed_sites}
    return f"{host}:{address.port}" in names or (address.port in USUAL_PORTS and host in names)


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address that a host is written as, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def why_closed(address: str, *, named_exactly: bool = False) -> str | None:
    """Say which closed network an IP address lies in (words for a sentence), or None when it may be connected to."""
    try:
        number = ip_address(address)
    except ValueError:
        return "an unreadable address"
    if isinstance(number, IPv6Address):
        return _why_closed_6(number, named_exactly=named_exactly)
    if any(number in block for block in _NEVER_4):
        return "this computer or a reserved network"
    if any(number in block for block in _PRIVATE_4) and not named_exactly:
        return "a private network"
    return None


def _why_closed_6(number: IPv6Address, *, named_exactly: bool) -> str | None:
    if number in _NAT64:  # on IPv6-only hosts DNS64 gives every IPv4 site this form: the IPv4 rules decide
        return why_closed(str(IPv4Address(number.packed[-4:])))
    if number.scope_id or any(number in block for block in _NEVER_6):
        return "this computer or a reserved network"
    if number in _GLOBAL_6 or (named_exactly and number in _PRIVATE_6):
        return None
    return "a private network" if number in _PRIVATE_6 else "this computer or a reserved network"


def _is_invisible(character: str) -> bool:
    """Control and format characters, lone surrogates, separators other than a plain space."""
    category = unicodedata.category(character)
    return category in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise AddressRefused("That address has a user name or password in it; please send it without.")
    match = (_IPV6_AUTHORITY if authority.startswith("[") else _NAME_AUTHORITY).fullmatch(authority)
    if match is None:
        raise AddressRefused(
            "The site's name in that address cannot be read; please check how it is written."
        )
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 2**16:
        raise AddressRefused(
            "The port in that address does not exist; please check the number after the colon."
        )
    return (_ipv6(match["host"]) if authority.startswith("[") else _name(match["host"])), port


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except ValueError:
        raise AddressRefused("The IPv6 address in that link is not a valid one; please check it.") from None


def _name(text: str) -> str:
    """Return a host name or IPv4 address in lower-case ASCII; whatever could be read as another number is refused."""
    try:
        host = _ascii(unicodedata.normalize("NFKC", text)).lower().removesuffix(".")
    except UnicodeError:  # idna.IDNAError is one
        host = ""
    labels = host.split(".")
    if len(host) > LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused(
            "The site's name in that address cannot be read; please check how it is written."
        )
    if _NUMBER.fullmatch(labels[-1]) and (literal(host) is None or text != host):
        raise AddressRefused(
            "That address writes a number where a site's name belongs; please use the site's name."
        )
    return host


def _ascii(name: str) -> str:
    return name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")


def _escape(path: str, query: str | None) -> str:
    path = quote(path or "/", safe=_PATH_CHARACTERS)
    return path if query is None else f"{path}?{quote(query, safe=_PATH_CHARACTERS + '?')}"
