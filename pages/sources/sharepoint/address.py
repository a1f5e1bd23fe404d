"""The address of a SharePoint site or OneDrive, as a browser shows it: the site, a library, a folder in it.

https://example.sharepoint.com/sites/HR                          its pages and all its libraries
https://example.sharepoint.com/sites/HR/SitePages                its pages alone
https://example.sharepoint.com/sites/HR/Shared%20Documents/Leave one folder of one library
https://example-my.sharepoint.com/personal/kim_example_com       a person's OneDrive
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pages.fetch.ssrf import parse_address
from pages.fetched import AddressRefused

PAGES = "SitePages"
_COLLECTIONS = frozenset({"sites", "teams", "personal"})


@dataclass(frozen=True, slots=True)
class SiteAddress:
    """A site of a host (`path` "" is the root site), and of it a library ("": all), a folder."""

    host: str
    path: str
    library: str
    folder: tuple[str, ...]

    @property
    def url(self) -> str:
        """The address of the site."""
        return f"https://{self.host}{quote(self.path)}"

    @property
    def graph_path(self) -> str:
        """The site as Microsoft Graph names it by its address."""
        return f"/sites/{self.host}:{quote(self.path)}" if self.path else f"/sites/{self.host}"

    @property
    def is_personal(self) -> bool:
        """Whether it is somebody's OneDrive."""
        return self.path.startswith("/personal/")


def parse_site_address(address: str) -> SiteAddress:
    """Take an address apart. Raises AddressRefused."""
    site = parse_address(address)
    if site.scheme != "https":
        raise AddressRefused("A SharePoint source begins with sharepoint+https://.")
    found = urlsplit(site.url)
    shown = "".join(
        parse_qs(found.query).get("id", [])[:1]
    )  # a library's view names the folder that it shows
    parts = [unquote(part) for part in (shown or found.path).split("/") if part]
    if any(part in {".", ".."} or not part.isprintable() or "/" in part for part in parts):
        raise AddressRefused("That SharePoint address cannot be read; please copy it from a browser.")
    if parts and parts[0].startswith((":", "_")):
        raise AddressRefused(
            "That is a link for sharing; please name the site or folder as the browser's address bar shows "
            "it."
        )
    length = 2 if parts and parts[0].lower() in _COLLECTIONS else 0
    if length and len(parts) < length:
        raise AddressRefused(
            "A SharePoint source names a site, such as sharepoint+https://example.sharepoint.com/sites/HR."
        )
    rest = parts[length:]
    if len(rest) > 1 and rest[-2] == "Forms":
        rest = rest[:-2]
    if rest and rest[-1].lower().endswith(".aspx"):
        rest = rest[:-1]
    path = "".join(f"/{part}" for part in parts[:length])
    return SiteAddress(site.host, path, rest[0] if rest else "", tuple(rest[1:]))
