"""Take the pictures of docs/feedback.md, docs/reviewing.md and docs/models.md.

Run as: python -m tests.screenshots [--into docs/images]

They are taken on the way that tests/review_walk.py walks, on a real instance with the canned model.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright, expect

from tests.conftest import ROOT
from tests.review_walk import Walk, write_pages
from tests.serving import serving
from tests.test_model_browser import put_in_place, read_and_promote
from tests.test_review_browser import FLAGS, change, options


async def take(into: Path) -> None:
    """Walk the way once."""
    with tempfile.TemporaryDirectory() as folder:
        pages, data = write_pages(Path(folder) / "pages"), Path(folder) / "data"
        async with serving(data, *options(pages)) as served, async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = await browser.new_page(viewport={"width": 900, "height": 860})
            await page.goto(served.url)
            await expect(page.locator(".message .card").first).to_be_visible()

            async def picture(name: str) -> None:
                await page.wait_for_timeout(400)  # what moves has come to rest
                await page.screenshot(path=into / f"{name}.png")

            await Walk(page, picture).whole_way(lambda: change(data, pages))
            await browser.close()


async def take_model(into: Path) -> None:
    """Take the picture of a comparison that waits for a decision."""
    with tempfile.TemporaryDirectory() as folder:
        pages, data = write_pages(Path(folder) / "pages"), Path(folder) / "data"
        await put_in_place(data)
        async with serving(data, *options(pages)) as served, async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = await browser.new_page(viewport={"width": 900, "height": 1260})
            await page.goto(served.url)
            await expect(page.locator(".message .card").first).to_be_visible()

            async def picture(name: str) -> None:
                await page.wait_for_timeout(400)
                await page.screenshot(path=into / f"{name}.png")

            await read_and_promote(page, picture)
            await browser.close()


def main() -> None:
    """Read the options and take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images")
    into: Path = parser.parse_args().into
    into.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(into))
    asyncio.run(take_model(into))


if __name__ == "__main__":
    main()
