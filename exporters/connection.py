"""Application Insights' connection string: "InstrumentationKey=…;IngestionEndpoint=https://…/".

https://learn.microsoft.com/azure/azure-monitor/app/connection-strings has its grammar: names and values with "=", in
any order and case, ";" between them; the endpoint is named, or made of EndpointSuffix and Location.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

GLOBAL = "https://dc.services.visualstudio.com"


class ConnectionInvalid(ValueError):
    """A connection string that nothing can be sent with; the message is a sentence, without the string."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Which resource, and where it takes telemetry: an address without a slash at its end."""

    instrumentation_key: str
    endpoint: str


def parse(text: str) -> Connection:
    """Read a connection string. Raises ConnectionInvalid."""
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    if not parts or not all(separator for _, separator, _ in parts):
        raise ConnectionInvalid("The connection string of Application Insights is NAME=VALUE;NAME=VALUE…")
    values = {name.strip().lower(): value.strip() for name, _, value in parts}
    if values.get("authorization", "ikey").lower() != "ikey":
        raise ConnectionInvalid("The connection string asks for another authorization than ikey.")
    try:
        key = str(UUID(values.get("instrumentationkey", "")))
    except ValueError:
        raise ConnectionInvalid("The connection string has no InstrumentationKey that is a GUID.") from None
    return Connection(key, _checked(_endpoint(values)))


def _endpoint(values: dict[str, str]) -> str:
    if endpoint := values.get("ingestionendpoint"):
        return endpoint
    suffix = values.get("endpointsuffix", "").strip(".")
    if not suffix:
        return GLOBAL
    location = values.get("location", "")
    return f"https://{location + '.' if location else ''}dc.{suffix}"


def _checked(endpoint: str) -> str:
    """Return the address without its last slash. Only this machine is spoken to without TLS."""
    try:
        url = urlsplit(endpoint)
        secure = url.scheme == "https" or (
            url.scheme == "http" and url.hostname in {"127.0.0.1", "::1", "localhost"}
        )
        whole = bool(url.hostname) and (url.port is None or url.port > 0) and not (url.query or url.fragment)
    except ValueError:
        secure = whole = False
    if not (secure and whole):
        raise ConnectionInvalid("The IngestionEndpoint of the connection string is no https:// address.")
    return endpoint.rstrip("/")
