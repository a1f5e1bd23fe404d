"""Steps of which none waits for another one to succeed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable


async def take_all(steps: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Take all of them. Raises the last OSError."""
    failed: OSError | None = None
    for step in steps:
        try:
            await step()
        except OSError as error:
            failed = error
    if failed is not None:
        raise failed
