"""A process remembers the newest, whatever comes."""

from __future__ import annotations

from core.bounded_dict import BoundedDict


def test_the_oldest_entry_goes_when_there_is_one_too_many() -> None:
    remembered: BoundedDict[str, int] = BoundedDict(2)
    for number, name in enumerate("abc"):
        remembered[name] = number
    assert dict(remembered) == {"b": 1, "c": 2}


def test_an_entry_that_is_set_again_is_the_newest() -> None:
    remembered: BoundedDict[str, int] = BoundedDict(2)
    remembered.update(a=1, b=2)
    remembered["a"] = 3
    remembered.setdefault("c", 4)
    assert dict(remembered) == {"a": 3, "c": 4}


def test_reading_keeps_the_order() -> None:
    remembered: BoundedDict[str, int] = BoundedDict(2)
    remembered.update(a=1, b=2)
    assert remembered.get("a") == 1
    remembered["c"] = 3
    assert "a" not in remembered
