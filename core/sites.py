"""Sites of the web by their origins, as browsers write them in headers."""

from __future__ import annotations

from urllib.parse import urlsplit

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"https": 443, "http": 80}


def parse_origin(written: str) -> str:
    """Return an origin as browsers write it: small letters, no port where it is the usual one.

    Raises ValueError with a sentence. Without HTTPS only this machine may be named: anybody on the way could
    speak for the site.

    >>> parse_origin("https://Intranet.example:443")
    'https://intranet.example'
    """
    wrong = f"“{written}” is no site: write https://HOST, with :PORT where it has one, and nothing behind it"
    try:
        parts = urlsplit(written.strip())
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError:
        raise ValueError(wrong) from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in _PORTS or not host or "*" in host or extra:
        raise ValueError(wrong)
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ValueError(f"“{written}” has to be https://: without it anybody on the way speaks for the site")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port and port != _PORTS[parts.scheme] else "")


def find_origin(address: str) -> str:
    """Return the origin of an address, "" for none, and for one with a name and password in it.

    >>> find_origin("https://intranet.example/leave?x=1#parents")
    'https://intranet.example'
    """
    try:
        parts = urlsplit(address)
        return parse_origin(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return ""
