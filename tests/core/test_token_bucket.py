"""Token buckets: so many at once, and then as many as a minute gives."""

from __future__ import annotations

from core.token_bucket import TokenBucket


def test_it_gives_what_it_holds_and_then_what_it_gains() -> None:
    bucket = TokenBucket.full(2, 60, now=100.0)
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    assert bucket.wait_s == 1.0
    bucket.fill(100.5)
    assert (bucket.take(), bucket.wait_s) == (False, 0.5)
    bucket.fill(101.0)
    assert (bucket.wait_s, bucket.take(), bucket.take()) == (0.0, True, False)


def test_it_never_holds_more_than_it_can() -> None:
    bucket = TokenBucket.full(2, 60, now=0.0)
    bucket.fill(3600.0)
    assert bucket.held == 2
