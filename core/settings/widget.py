"""Settings of the widget: the sites that may show it, and how much their visitors may ask."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from core.settings.group import Group, make_prefixer
from core.sites import parse_origin


def _split(value: object) -> object:
    return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value


def _parse_all(written: list[str]) -> list[str]:
    return list(dict.fromkeys(parse_origin(one) for one in written))


Origins = Annotated[list[str], NoDecode, BeforeValidator(_split), AfterValidator(_parse_all)]
"""Sites, as words with commas between them."""


class WidgetSettings(Group, alias_generator=make_prefixer("widget_")):
    """Where the widget may stand, and its limits: `bot.web.widget.limits.WidgetLimits`."""

    origins: Origins = Field(
        default=[],
        description=(
            "Sites that show the widget, comma-separated, as https://HOST; anybody who "
            "can open their pages can ask without signing in (docs/widget.md). Empty: "
            "none."
        ),
    )
    visitor_days: int = Field(
        30, ge=1, le=365, description="How long the widget recognises a browser as the same visitor, days."
    )
    visitors_per_minute: int = Field(
        60,
        ge=1,
        description="Most new visitors of the widget on one site in a minute; others are asked to wait.",
    )
    questions_per_minute: int = Field(
        120,
        ge=1,
        description="Most questions of all visitors of the widget on one site in a minute; others are"
        " asked to wait.",
    )
