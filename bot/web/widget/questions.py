"""What a visitor's message is about: the page that they read, and no page that only others may paste.

The page's address comes from the site's own page. It has to be one of a site that may show the widget: then
the bot reads it as it reads what somebody pastes. What a visitor pastes has to be there, too, or be a page
that the bot knows and everyone may read: `allowed_sites` is for people of the house, and who asks here is
anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from urllib.parse import urldefrag

from bot.channels.incoming import PAGE, parse_activity, to_object
from bot.dialogs.talk import detect_talk
from bot.web.access import RefusedError
from core.sites import find_origin
from core.text import Json, printable

MAX_ADDRESS = 2_000
NOT_THIS_PAGE = "I answer here about pages of this site only, and this is the address of another one."
NOT_THAT_LINK = (
    "I cannot open that link here. I answer about this site's pages, and those that I know already: please"
    " ask without the link."
)

Pages = Callable[[], Sequence[tuple[str, str]]]
"""Returns (URL, title) of the pages that everyone may read."""


def parse_page(value: object, origins: Collection[str]) -> str:
    """Return the address of the page on which something is asked, "" for none. Raises RefusedError."""
    if value is None or value == "":
        return ""
    address = urldefrag(value).url if isinstance(value, str) and len(value) <= MAX_ADDRESS else ""
    is_plain = address == printable(address) and not any(one.isspace() for one in address)
    if not is_plain or find_origin(address) not in origins:
        raise RefusedError(400, NOT_THIS_PAGE, "other_page")
    return address


def ask_about(activity: Json, page: str) -> Json:
    """Return the activity of a question with the page that it is about; small talk is about none."""
    if not page or detect_talk(str(activity.get("text") or "")) is not None:
        return activity
    return activity | {"channelData": to_object(activity.get("channelData")) | {PAGE: page}}


def check_link(activity: Json, origins: Collection[str], pages: Pages) -> None:
    """Refuse a message that names a page which a visitor may not have read. Raises RefusedError."""
    _, address = parse_activity(activity).question
    if address is None or find_origin(address) in origins:
        return
    if urldefrag(address).url not in {url for url, _ in pages()}:
        raise RefusedError(400, NOT_THAT_LINK, "other_page")
