"""The widget's rules: which sites may show it, whose a session is, and how much may be asked in a minute."""

from __future__ import annotations

import pytest

from bot.bootstrap import CHANNELS, LocalPage, find_local_page, is_public, list_vouched
from bot.card_tokens import CardSigner
from bot.channel import ChannelMisconfigured
from bot.web.access import RefusedError
from bot.web.widget.channel import check_settings
from bot.web.widget.limits import ACTIONS_PER_MINUTE, RateLimits, WidgetLimits
from bot.web.widget.questions import parse_page
from bot.web.widget.sessions import SESSION_S, Session, Sessions
from core.records import Channel
from core.settings import Settings
from core.sites import find_origin, parse_origin
from tests.builders.widget import SITE, Clock
from tests.builders.world import KEY


def test_what_a_site_and_a_visitor_may_do_in_a_minute_is_bounded() -> None:
    clock = Clock()
    rates = RateLimits(WidgetLimits(visitors_per_minute=2, questions_per_minute=3), clock)
    for count, take, name in (
        (2, rates.count_visitor, SITE),
        (3, rates.count_question, SITE),
        (ACTIONS_PER_MINUTE, rates.count_action, "ada"),
    ):
        for _ in range(count):
            take(name)
        with pytest.raises(RefusedError, match=r"try again in \d+ seconds") as refused:
            take(name)
        assert refused.value.status == 429
        take("another")
        clock.now += 60 / count
        take(name)


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://Intranet.Example", "https://intranet.example"),
        ("https://a.example:443/", "https://a.example"),
        ("https://a.example:8443", "https://a.example:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        *(
            (wrong, None)
            for wrong in ("http://a.example", "*", "https://*.example", "null", "https://a.example/x")
        ),
        *(
            (wrong, None)
            for wrong in ("https://u@a.example", "ftp://a.example", "https://a:99999", "https://[::1")
        ),
    ],
)
def test_a_site_is_named_as_browsers_name_it(written: str, origin: str | None) -> None:
    if origin is None:
        with pytest.raises(ValueError, match=r"no site|https://"):
            parse_origin(written)
        with pytest.raises(ValueError, match="widget_origins"):
            Settings(widget_origins=written)
    else:
        assert Settings(widget_origins=f"{written}, {written}").widget.origins == [origin]
        assert find_origin(f"{origin}/a?b#c") == origin
        assert parse_page(f"{origin}/a#c", {origin}) == f"{origin}/a"


def test_the_widget_is_off_until_sites_are_named_and_then_needs_an_address() -> None:
    [plug] = [plug for plug in CHANNELS if plug.channel is Channel.WIDGET]
    off, here = Settings(), Settings(widget_origins="http://localhost:8080")
    away = Settings(widget_origins=SITE)
    assert [plug.is_on(one) for one in (off, here, away)] == [False, True, True]
    assert [is_public(one) for one in (off, here, away)] == [False, False, True]
    assert find_local_page(away) is LocalPage.OFF, "who asks from there is not this machine's user"
    check_settings(here)
    with pytest.raises(ChannelMisconfigured, match="PUBLIC_URL"):
        check_settings(away)
    check_settings(Settings(widget_origins=SITE, public_url="https://bot.example"))
    assert str(Channel.WIDGET) not in list_vouched(away)
    assert str(Channel.WIDGET) not in away.trainable_channels


def test_a_session_says_whose_it_is_until_it_ends() -> None:
    clock = Clock()
    sessions = Sessions(CardSigner(KEY), [SITE], 60.0, clock)
    session = sessions.begin(SITE)
    assert sessions.read(sessions.sign(session)) == Session(session.visitor, SITE, clock.now + SESSION_S)
    assert sessions.renew(sessions.sign_visit(session)).visitor == session.visitor
    assert sessions.begin(SITE).visitor != session.visitor
