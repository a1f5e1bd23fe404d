"""The language that somebody reads Slack in: asked once, not waited for long, and not needed."""

from __future__ import annotations

from dataclasses import replace

from tests.builders.slack_world import ADA, CONFIG, a_slack_world


async def test_a_language_is_asked_for_once_and_spoken() -> None:
    async with a_slack_world(replace(CONFIG, review_channel="")) as world:
        world.slack.locales[ADA] = "fr-FR"
        for _ in range(2):
            assert await world.event(world.dm("merci", channel="D1", user=ADA)) == 200
            await world.settled()
        assert any("Avec plaisir" in shown.words for shown in world.slack.messages("D1"))
        assert [call.params["user"] for call in world.slack.of("users.info")] == [ADA]
        assert {one.language for one in world.store.questions.values()} == {"fr"}


async def test_a_workspace_that_did_not_grant_the_scope_is_answered_in_the_default_language() -> None:
    async with a_slack_world(replace(CONFIG, review_channel="")) as world:
        world.slack.scopes["xoxb-one"] -= {"users:read"}
        for _ in range(2):
            assert await world.event(world.dm("help", channel="D1", user=ADA)) == 200
            await world.settled()
        assert any("What I can do" in shown.words for shown in world.slack.messages("D1"))
        assert world.slack.broken == ["users.info: missing_scope users:read"]
        world.slack.broken.clear()
