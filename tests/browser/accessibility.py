"""What axe finds wrong with a page, by day, by night and on a phone.

axe-core is the accessibility engine of Deque; all of its rules run, those of WCAG A and AA and what it calls
best practice. https://github.com/dequelabs/axe-core/blob/v4.10.3/doc/rule-descriptions.md
"""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.conftest import ROOT
from tests.needs import need

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
LOOKS = (
    ("light", {"width": 1200, "height": 900}),
    ("dark", {"width": 1200, "height": 900}),
    ("light", {"width": 390, "height": 844}),
    ("dark", {"width": 390, "height": 844}),
)
_FIND = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"], elementRef: false });
  return { passes: found.passes.length, bad: found.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} (${help}) at ${target.join(" ")}: ${failureSummary}`)) };
}"""


@cache
def _read_axe() -> str:
    need(AXE, "axe-core is missing: run `make node_modules/.test-installed`")
    return AXE.read_text("utf-8")


async def find_violations(page: Any) -> list[str]:
    """Return what axe finds wrong with a page in every look, each finding once; its window stays light."""
    axe = _read_axe()
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(axe)  # not as a script of the page: its policy allows its own only
    found: dict[str, None] = {}
    for scheme, size in LOOKS:
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.set_viewport_size(size)
        result = await page.evaluate(_FIND)
        assert result["passes"] > 5, "axe looked at nothing"
        found |= dict.fromkeys(f"{scheme} {size['width']}: {one}" for one in result["bad"])
    await page.emulate_media(color_scheme=LOOKS[0][0])
    await page.set_viewport_size(LOOKS[0][1])
    return list(found)
