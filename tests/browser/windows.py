"""Windows of headless Chromium that watch what their page asks for, and what goes wrong in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.needs import need

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]

CONTRAST = """() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const background = (e) => { const stack = []; for (let at = e; at; at = at.parentElement) stack.unshift(parse(getComputedStyle(at).backgroundColor));
    return stack.reduce((below, top) => over(top, below), [255, 255, 255]); };
  const bad = []; let seen = 0;
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    const field = e.matches("input:not([type=radio],[type=checkbox]), textarea, select");
    if (!(own || field) || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || e.closest(".unseen, .skip, .badge-text")) continue;
    const style = getComputedStyle(e); seen += 1;
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const below = background(e);
    const value = ratio(over(parse(e.ownerSVGElement ? style.fill : style.color), below), below);
    if (value < (large ? 3 : 4.5)) bad.push(`${e.tagName}.${e.className} ${value.toFixed(2)} ${e.textContent.slice(0, 30)}`);
    if (field && e.placeholder) { const p = ratio(over(parse(getComputedStyle(e, "::placeholder").color), below), below); if (p < 4.5) bad.push(`placeholder ${p}`); }
    const edge = e.closest("button, select, .field, .reason, textarea");
    if (edge && parseFloat(getComputedStyle(edge).borderTopWidth) > 0) {
      const around = background(edge.parentElement), line = ratio(over(parse(getComputedStyle(edge).borderTopColor), around), around);
      if (line < 3) bad.push(`edge ${edge.className} ${line.toFixed(2)}`); }
  }
  return { bad, seen };
}"""  # noqa: E501
"""What has less contrast than WCAG's level AA wants, and how many texts were looked at."""


@asynccontextmanager
async def a_chromium() -> AsyncGenerator[Any]:
    """Start one; skips where there is none."""
    need(CHROMIUM, f"{CHROMIUM} is missing: install Chromium")
    playwright = pytest.importorskip("playwright.async_api")
    async with playwright.async_playwright() as driver:
        started = await driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        await started.close()


class Watching:
    """Opens windows; `asked` and `wrong` are what they asked for, and what went wrong in them."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.asked: list[str] = []
        self.wrong: list[str] = []

    async def window(
        self,
        *,
        width: int = 1200,
        height: int = 800,
        scheme: str = "light",
        permissions: Sequence[str] = (),
        locale: str = "en-GB",
    ) -> Any:
        context = await self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            permissions=[*permissions],
            locale=locale,
        )
        context.set_default_timeout(15_000)
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("weberror", lambda error: self.wrong.append(str(error.error)))
        context.on("console", self._hear)
        return await context.new_page()

    async def close(self, url: str) -> None:
        """Close all windows; nothing but `url` was asked, and nothing went wrong."""
        for context in self.browser.contexts:
            await context.close()
        assert {asked for asked in self.asked if not asked.startswith(url + "/")} == set()
        assert self.wrong == [], self.wrong

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(message.text)
