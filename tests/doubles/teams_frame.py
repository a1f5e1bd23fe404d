"""Teams around a tab: a page under Teams' own address with the tab in a frame, and its side of the messages.

It speaks what Microsoft's library for tabs speaks (@microsoft/teams-js 2.58.0): `initialize`, `getContext`,
`authentication.getAuthToken`, and a change of the theme. Anything else that is asked is noted in `strange`.
Neither address is on any network: the browser's requests for them are answered here.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

TEAMS, BOT = "https://teams.microsoft.com", "https://bot.example"
_HOST = """<!doctype html><html lang="en"><title>Teams</title>
<style>html,body,iframe{margin:0;border:0;width:100%;height:100%;display:block}</style>
<iframe title="askpage" src="BOT/teams/tab"></iframe><script>
const frame = document.querySelector("iframe").contentWindow;
window.theme = "THEME"; window.token = null; window.refusal = "consent_required"; window.strange = [];
const answers = {
  "initialize": () => ["content", "web", JSON.stringify({apiVersion: 4, supports: {}}), "2.0.1"],
  "getContext": () => [{theme: window.theme, locale: "LOCALE", sessionId: "s"}],
  "authentication.getAuthToken": () => window.token ? [true, window.token] : [false, window.refusal],
  "registerHandler": () => null,
};
addEventListener("message", (event) => {
  if (event.source !== frame || event.origin !== "BOT") return;
  const { id, uuidAsString, func } = event.data;
  if (!(func in answers)) return window.strange.push(func);
  const args = answers[func]();
  if (args) frame.postMessage({ id, uuidAsString, args }, "BOT");
});
window.turn = (theme) => frame.postMessage({ func: "themeChange", args: [theme] }, "BOT");
</script></html>"""


async def open_in_teams(
    page: Any, url: str, token: str | None, theme: str = "default", locale: str = "en-gb"
) -> Any:
    """Open the tab of the bot at `url` in a window; return its frame. Without a token Teams refuses one."""
    host = _HOST.replace("BOT", BOT).replace("LOCALE", locale).replace("THEME", theme)
    host = host.replace(
        "window.token = null", f'window.token = "{token}"' if token else "window.token = null"
    )

    async def show_host(route: Any) -> None:
        await route.fulfill(body=host, content_type="text/html")

    async def pass_on(route: Any) -> None:
        asked = urlsplit(route.request.url)
        await route.fulfill(
            response=await route.fetch(url=url + asked.path + (asked.query and f"?{asked.query}"))
        )

    await page.route(f"{TEAMS}/**", show_host)
    await page.route(f"{BOT}/**", pass_on)
    await page.goto(f"{TEAMS}/v2/")
    frame = page.frame(url=f"{BOT}/teams/tab")
    assert frame is not None
    return frame
