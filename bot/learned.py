"""What was learned from people: it is forgotten with them, and nothing is learned from who does not want that."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from feedback.datasets import forget, trained_on
from feedback.deletions import ForgetExamples, ForgottenExamples
from model.gate_report import forget_answers
from model.versions import list_versions
from settings import Settings


def forgetting(settings: Settings) -> ForgetExamples:
    """Return what takes examples out of the data sets of this installation, and names the models that saw them.

    What stands of them in reports about versions is taken out, too.
    """

    def forget_now(answer_ids: Collection[str], person: str) -> Sequence[ForgottenExamples]:
        forget_answers(settings.models_dir, answer_ids)
        erased = forget(settings.datasets_dir, answer_ids, [person])
        if not erased:
            return []
        versions: dict[str, list[str]] = {}
        for version in list_versions(settings.models_dir):
            versions.setdefault(version.dataset, []).append(version.name)
        return [
            ForgottenExamples(name, tuple(trained_on([name], versions)), count)
            for name, count in erased.items()
        ]

    async def forget_examples(answer_ids: Collection[str], person: str) -> Sequence[ForgottenExamples]:
        return await asyncio.to_thread(forget_now, answer_ids, person)

    return forget_examples
