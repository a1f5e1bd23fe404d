"""An owner's card says every sentence in its reader's language, whatever became of the gap."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.cards.adaptive import render_card
from bot.cards.gap import OwnerCardView, build_gap_card
from core.phrases import Phrase, mark
from core.translation import speak
from feedback.gaps.owner_cards import OwnerCard, Proposal
from feedback.gaps.report import Asking, Gap, GapPlace, GapQuestion
from tests.builders.pseudo import find_plain_words, speak_pseudo
from tests.builders.world import NOW

PLACE = GapPlace("/δ", "δ", "ε", "h")
GAP = Gap("δ?", 3, 4, {}, (GapQuestion("δ?", 4),), ("a",), PLACE, "ζ", "η.")
GAPS = [
    GAP,
    replace(GAP, people=1, place=None, correction=""),
    replace(GAP, place=replace(PLACE, says_it=True)),
    replace(GAP, place=replace(PLACE, says_it=True), changed=True, before=Asking(4, 4, 4)),
    replace(GAP, changed=True, before=Asking(4, 2, 4), after=Asking(9, 0, 0)),
]
WHY = Phrase(mark("{page} already has these words."), page="δ")


def draw(gap: Gap, proposal: Proposal) -> object:
    return render_card(build_gap_card(OwnerCardView(OwnerCard("i", gap, proposal, NOW), None, 0)))


@pytest.mark.parametrize("gap", GAPS)
def test_no_word_of_it_is_in_no_catalogue(gap: Gap, monkeypatch: pytest.MonkeyPatch) -> None:
    with speak_pseudo(monkeypatch):
        for proposal in (Proposal(), Proposal.refuse(WHY), Proposal(patch="+δ\n")):
            assert find_plain_words(draw(gap, proposal), "git", "apply") == set()


def test_a_remark_that_an_older_version_kept_is_read_as_it_is() -> None:
    with speak("de"):
        assert "Der Grund" in str(draw(GAP, Proposal(remark="Der Grund von früher.")))
        assert "δ hat diese Worte schon." in str(draw(GAP, Proposal.refuse(WHY)))
        assert "3 Personen haben gefragt „δ?“; δ › ε (die nächste Seite) sagt es nicht." in str(
            draw(GAP, Proposal())
        )
