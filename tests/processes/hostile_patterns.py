"""Times every regular expression of the packages on texts that are made to hold it up; see test_patterns.py.

Run as: python -m tests.processes.hostile_patterns          one JSON object a line: where the pattern is, and
its worst text

It runs as a process of its own, so that a pattern that never ends can be ended. For each pattern the hostile
texts are made of what it looks for: its literals, the shortest text of each part that repeats, what stands
before such a part, and the whole, each many times over, with and without an end that fits nothing. Time is
that of the processor.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import json
import operator
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "pages", "model", "bot", "feedback")
LENGTHS = (400, 1_600, 16_000, 64_000)
"""Characters of a text: the next is tried only where the one before took a while.

A pattern that takes a + b·n for each of n characters is seen to grow from the first to the second where
1,000 b > a / 2, and is slow from 1e-6 s on; so the one that is missed takes less than half of LONGEST_S.
"""
LONGEST_S = 0.25
"""Most processor time for 16,000 characters: the linear takes up to 110 ms, the quadratic 440 ms and more."""
_UNREMARKABLE_S, _SLOW_S = 1e-7, 1e-6  # for each character
_GROWS = 1.5  # times as much for each character of the longer text

_ENDS = ("", "\n\x00x")
_UNITS = (
    *" \n\ta1.,'\"([<{-*|_@&/:%#$`\\=!?ä。か",
    *(
        "{%",
        "{{",
        "a ",
        " a",
        "1 ",
        "a.",
        "a. ",
        "1,",
        "1.",
        "a'",
        "a-",
        "<a",
        "\n ",
        " \n",
        "\n- ",
        "[a](",
        "[1]",
    ),
    *("http://", "a@", "A.", "A ", "Aa ", "Aa. ", "and ", "the ", "a, ", "no ", "\n\n", "| ", "**", "€1"),
)
_CALLED = re.compile(r"\b(\w+)\.(search|finditer|findall|sub|subn|split|match|fullmatch)\b")
_LOOKS_EVERYWHERE = frozenset({"search", "finditer", "findall", "sub", "subn", "split"})
_TRAINS = re.compile(
    r"^(?:import|from) (?:torch|transformers|peft|trl|datasets|onnx_ir|model\.training\.trainer)\b",
    re.MULTILINE,
)
"""What stands in modules that are never imported where foreign text is read: it takes seconds to import."""
OF_OUR_OWN = frozenset({"model.answering.profile", "core.subprocess_step"})
"""Modules that read what the system and our own tools print."""
AT_ONE_PLACE = frozenset(
    {
        "model.text.small_talk._LEADING",
        "bot.dialogs.talk._WHOLE",
        "model.checks.polarity.YES",
        "model.checks.polarity.NO",
    }
)
"""Patterns that are held to one place of a text, by a loop over all of them."""
Use = tuple[str, "re.Pattern[Any]", bool]


def sources() -> list[Path]:
    """Return the files of the packages."""
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


def patterns() -> Iterator[Use]:
    """Yield (where, pattern, whether it looks from every place of a text): constants, and those in calls."""
    seen: set[re.Pattern[Any]] = set()
    for file in sources():
        where = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for use in [*_constants(where, file.read_text("utf-8")), *_called(where, file)]:
            if use[1] not in seen:
                seen.add(use[1])
                yield use


def _constants(where: str, source: str) -> Iterator[Use]:
    if where in OF_OUR_OWN or _TRAINS.search(source):
        return
    methods: dict[str, set[str]] = {}
    for name, method in _CALLED.findall(source):
        methods.setdefault(name, set()).add(method)
    for name, value in vars(importlib.import_module(where)).items():
        for found in _within(value, 4):
            called = methods.get(name, set()) if found is value else set[str]()
            at_one_place = f"{where}.{name}" in AT_ONE_PLACE or (called and not called & _LOOKS_EVERYWHERE)
            yield f"{where}.{name}", found, not at_one_place


def _within(value: object, depth: int) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif not depth or isinstance(value, str | bytes | type):
        return
    elif dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            yield from _within(getattr(value, one.name), depth - 1)
    elif isinstance(value, dict):
        yield from _within([*value, *value.values()], depth)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _within(one, depth - 1)


def _called(where: str, file: Path) -> Iterator[Use]:
    """Yield the patterns that stand as a constant in a call such as re.sub("a+", ...)."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        first = node.args[0]
        of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
        if of_re and node.func.attr not in {"escape", "compile"} and isinstance(first, ast.Constant):
            named = re.findall(r"re\.([A-Z]+)\b", ast.unparse(node))
            flags = functools.reduce(operator.or_, (getattr(re, name) for name in named), re.NOFLAG)
            if where not in OF_OUR_OWN:
                everywhere = node.func.attr in _LOOKS_EVERYWHERE
                yield f"{where}:{node.lineno}", re.compile(first.value, flags), everywhere


def hostile(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (start, unit, end): the text is the start, the unit as often as fits, and the end."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = parser.parse(
        text, pattern.flags if isinstance(pattern.pattern, str) else pattern.flags & ~re.UNICODE
    )
    whole = _sample(tree)
    starts = {("", unit) for unit in _UNITS} | {("", whole)} | {("", run) for run in _literals(tree)}
    starts |= {("", word) for run in _literals(tree) for word in (f"{run} ", f"{run}\n", f" {run}")}
    for before, body in _repeats(tree, ""):
        starts |= {(before, body), ("", before + body), ("", body), (before, before + body)}
        starts |= {(before + body, unit) for unit in (" ", "a", "1", "\n")}
    for start, unit in sorted(starts):
        if unit:
            yield from ((start, unit, end) for end in _ENDS)


_REPEATS = frozenset({op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT})


def _sample(tree: Iterable[Any]) -> str:
    """Return a short text that the tree matches, or nearly."""
    return "".join(_sample_of(kind, argument) for kind, argument in tree)


def _sample_of(kind: Any, argument: Any) -> str:
    if kind is op.LITERAL:
        return chr(argument)
    if kind in {op.NOT_LITERAL, op.ANY}:
        return "a" if argument != ord("a") else "b"
    if kind is op.IN:
        return _member(argument)
    if kind in {op.ASSERT, op.ASSERT_NOT}:
        return ""
    turns = max(1, argument[0]) if kind in _REPEATS else 1
    return "".join(_sample(part) for part in _parts(kind, argument)[:1]) * turns


def _member(members: Iterable[Any]) -> str:
    members = list(members)
    if members[0][0] is op.NEGATE:
        fits = re.compile("[^" + "".join(_class(*one) for one in members[1:]) + "]")
        return next((sign for sign in "a1 .-é\n" if fits.match(sign)), "a")
    kind, argument = members[0]
    if kind is op.LITERAL:
        return chr(argument)
    if kind is op.RANGE:
        return chr(argument[0])
    return {op.CATEGORY_SPACE: " ", op.CATEGORY_DIGIT: "1", op.CATEGORY_NOT_WORD: "."}.get(argument, "a")


def _class(kind: Any, argument: Any) -> str:
    if kind is op.LITERAL:
        return re.escape(chr(argument))
    if kind is op.RANGE:
        return f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
    named = {op.CATEGORY_SPACE: r"\s", op.CATEGORY_DIGIT: r"\d", op.CATEGORY_WORD: r"\w"}
    named |= {op.CATEGORY_NOT_SPACE: r"\S", op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_NOT_WORD: r"\W"}
    return named[argument]


def _parts(kind: Any, argument: Any) -> list[Iterable[Any]]:
    if kind in _REPEATS:
        return [argument[2]]
    if kind is op.SUBPATTERN:
        return [argument[3]]
    if kind is op.ATOMIC_GROUP:
        return [argument]
    if kind in {op.ASSERT, op.ASSERT_NOT}:
        return [argument[1]]
    return list(argument[1]) if kind is op.BRANCH else []


def _repeats(tree: Iterable[Any], before: str) -> Iterator[tuple[str, str]]:
    """Yield (what stands before, one turn) of every part that repeats."""
    for kind, argument in tree:
        if kind in _REPEATS and argument[1] > 1:
            yield before, _sample(argument[2])
            for sign in _in_class(argument[2]):
                yield before, sign
        for part in _parts(kind, argument):
            yield from _repeats(part, before)
        before += _sample_of(kind, argument)


def _in_class(tree: Iterable[Any]) -> Iterator[str]:
    """Yield signs of several kinds that a class of characters takes."""
    for kind, argument in tree:
        if kind is op.IN:
            negated = argument[0][0] is op.NEGATE
            inside = "".join(_class(*one) for one in (argument[1:] if negated else argument))
            fits = re.compile(f"[{'^' if negated else ''}{inside}]")
            yield from (sign for sign in "a1 .-\n" if fits.match(sign))


def _literals(tree: Iterable[Any]) -> set[str]:
    runs: set[str] = set()
    run = ""
    for kind, argument in [*tree, (None, None)]:
        if kind is op.LITERAL:
            run += chr(argument)
            continue
        if run:
            runs.add(run)
        run = ""
        for part in _parts(kind, argument):
            runs |= _literals(part)
    return set(sorted(runs)[:40])


def cost(run: Callable[[Any], object], text: Any) -> float:
    """Return the least processor time of some runs, seconds; what is far from the bound is not run again."""
    least = float("inf")
    for _ in range(3):
        before = time.thread_time()
        run(text)
        least = min(least, time.thread_time() - before)
        if least < LONGEST_S / 2 or least > 10 * LONGEST_S:
            break
    return least


def worst(pattern: re.Pattern[Any], everywhere: bool) -> tuple[float, int, list[str]]:
    """Return the seconds of a pattern's worst text, that text's length, and what it is made of."""
    wide = isinstance(pattern.pattern, str)

    def run(text: Any) -> object:
        return sum(1 for _ in pattern.finditer(text)) if everywhere else pattern.match(text)

    found: tuple[float, int, list[str]] = (0.0, 0, [])
    for start, unit, end in hostile(pattern):
        per_character = 0.0
        for length in LENGTHS:
            made = start + unit * (length // len(unit)) + end
            took = cost(run, made if wide else made.encode("latin-1", "ignore"))
            if took > found[0] and length < LENGTHS[-1]:
                found = took, length, [start, unit, end]
            if took > (LONGEST_S if length < LENGTHS[-1] else 2 * LONGEST_S):
                return took, length, [start, unit, end]
            grows = took / length > _GROWS * per_character
            per_character = took / length
            if per_character < _UNREMARKABLE_S or not (
                grows or (per_character > _SLOW_S and length < LENGTHS[-2])
            ):
                break
    return found


def main() -> None:
    """Print what each pattern takes."""
    for where, pattern, everywhere in patterns():
        sys.stdout.write(json.dumps({"where": where}) + "\n")
        sys.stdout.flush()
        took, length, made_of = worst(pattern, everywhere)
        sys.stdout.write(json.dumps({"where": where, "took_s": took, "length": length, "of": made_of}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
