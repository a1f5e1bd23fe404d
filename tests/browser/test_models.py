"""A reviewer decides about a model update in headless Chromium, on `askpage serve` as a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.registry.versions import VersionStatus, read_rollout
from tests.browser.model_walk import NEW, put_in_place, read_and_promote
from tests.browser.review_walk import Walk, on_the_page, options, quiet, write_pages
from tests.processes.serving import serving

pytestmark = pytest.mark.browser


@pytest.mark.timeout(200)
async def test_a_reviewer_reads_a_comparison_on_the_page_and_promotes_it(
    tmp_path: Path, chromium: str
) -> None:
    pages, data = write_pages(tmp_path / "pages"), tmp_path / "data"
    await put_in_place(data)
    async with serving(data, *options(pages)) as served, on_the_page(served, chromium) as page:
        wrong = quiet(page)
        await read_and_promote(page)
        assert read_rollout(data / "models").derive_status(NEW) is VersionStatus.LIVE
        await page.fill("#question", "model")
        await page.press("#question", "Enter")
        await Walk(page).says(f"{NEW} is live: it answers everybody.")
        assert wrong == []
