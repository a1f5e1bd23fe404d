"""The style sheets that a page brings along → what they declare for each of its elements.

tinycss2 parses and cssselect2 matches; what is here is the cascade over them: origins, layers, importance,
nesting, media (a screen of 1280 × 720 pixels in light colours), custom properties, and the last frame of
animations that stay. Only what can hide text is kept. Style sheets that lie elsewhere are not fetched;
`Styles.external` says that there are some.

A hostile page must not take long. Beyond `MOST_CSS` characters or `MOST_STEPS` steps of matching, the page is
refused: what its readers see is not known then, and nothing of it may be stated as if it were.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false
# pyright: reportIncompatibleMethodOverride=false, reportUntypedBaseClass=false
from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

import tinycss2

from pages.fetched import PageUnreadable
from pages.visibility.html_tree import Element
from pages.visibility.selectors import TOO_MUCH, Matcher, Node, Steps, holds
from pages.visibility.shorthands import PENDING, longhands, unpack_longhand
from pages.visibility.values import is_comma, words

MOST_CSS = 1_000_000
"""Most characters of style sheets in one page; about 2 s of work."""

_STEPS_A_STYLE, _STEPS_A_DECLARATION = 100, 4
_LONGEST_VALUE = 2000
_DEEPEST = 12
"""Rules within rules, and variables within variables, that are followed."""

_STATE = re.compile(
    r":(?:checked|target(?:-within)?|hover|focus(?:-within|-visible)?|active|open)\b|\[open\]", re.I
)
_COMBINATOR = re.compile(r"[\s>+~]")
_READ_INSIDE = frozenset({"media", "supports", "layer", "container", "scope", "document"})
_INHERITED = frozenset(
    [
        "color",
        "font-size",
        "letter-spacing",
        "line-height",
        "text-fill-color",
        "text-indent",
        "text-security",
        "text-shadow",
        "visibility",
    ]
)
_IMPORTANT = 2
"""The least rank of what is important: 0 layered, 1 plain, 2 important, 3 important in a layer."""

Declared = Mapping[str, str]
"""Longhand → value, `var()` replaced; custom properties are not in it."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """The declarations of a rule: (longhand, value, rank); a higher rank prevails whatever its selector."""

    declared: tuple[tuple[str, str, int], ...]


@dataclass(slots=True)
class Styled:
    """The declarations for one element.

    `revealed`: a rule of the page for another state (checked, hovered) shows it.
    """

    declared: Declared
    customs: Mapping[str, str]
    revealed: bool = False


@dataclass
class Styles:
    """The style sheets of one page."""

    names: frozenset[str] = frozenset()
    external: bool = False
    _steps: Steps = field(default_factory=Steps)
    _frames: dict[str, tuple[tuple[str, str], ...]] = field(
        default_factory=dict[str, tuple[tuple[str, str], ...]]
    )

    def __post_init__(self) -> None:
        self._rules = Matcher(self._steps, self.names)
        self._other_states = Matcher(self._steps, self.names)
        self._known: dict[tuple[object, ...], Styled] = {}  # for elements that the same rules match
        self._inline: dict[str, list[tuple[str, str, int]]] = {}

    @classmethod
    def from_page(cls, root: Element) -> Styles:
        """Read a page's own style sheets. Raises PageUnreadable where they are too large."""
        styles = cls(_names(root))
        size = 0
        for media, css in _own_sheets(root, styles):
            size += len(css)
            if size > MOST_CSS:
                raise PageUnreadable(TOO_MUCH)
            if holds(media):
                found = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
                styles._read(found, "", layered=False, depth=0)
        return styles

    def nodes(self, root: Element, closed: frozenset[str]) -> Iterator[tuple[Node, Node | None]]:
        """Yield every element with its parent, in document order.

        What is in elements of the `closed` tags is left out.
        """
        node_type = type("PageNode", (Node,), {"steps": self._steps})
        stack: list[Iterator[Node]] = [iter([node_type.from_html_root(root)])]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                continue
            yield node, node.parent
            if node.etree_element.tag not in closed:
                stack.append(node.walk_children())

    def style(self, node: Node, parent: Styled) -> Styled:
        """Return what holds for an element: its parent's is known."""
        matched: list[_Rule] = self._rules.matching(node)
        inline = node.etree_element.get("style") or ""
        if not matched and not inline:
            return Styled({}, parent.customs)
        revealed = bool(self._other_states.matching(node))
        alike = (tuple(map(id, matched)), inline, id(parent.customs), revealed)
        if alike not in self._known:
            made, depends = self._cascade(matched, inline, parent)
            made.revealed = revealed
            if depends:
                return made
            self._known[alike] = made
        return self._known[alike]

    def _cascade(self, matched: Sequence[_Rule], inline: str, parent: Styled) -> tuple[Styled, bool]:
        """Return what prevails, and whether that depends on more of the parent than its custom properties."""
        found = [
            (rank, at, name, value) for at, rule in enumerate(matched) for name, value, rank in rule.declared
        ]
        found += [(rank, len(matched), name, value) for name, value, rank in self._style_attribute(inline)]
        self._steps.take(_STEPS_A_DECLARATION * len(found))
        found.sort(key=lambda one: one[:2])
        cascaded = {name: value for _, _, name, value in found}
        customs = self._customs(cascaded, parent.customs)
        declared = self._resolve_values(cascaded, customs, parent.declared)
        important = {name for rank, _, name, _ in found if rank >= _IMPORTANT}
        declared.update(self._last_frame(declared, important))
        depends = any("inherit" in value.lower() for value in (*cascaded.values(), *customs.values()))
        return Styled(declared, customs), depends

    def _style_attribute(self, written: str) -> list[tuple[str, str, int]]:
        if written not in self._inline:
            self._steps.take(_STEPS_A_STYLE)
            self._inline[written] = list(self._declarations(written, layered=False))
        return self._inline[written]

    def _customs(self, cascaded: Mapping[str, str], inherited: Mapping[str, str]) -> Mapping[str, str]:
        own = {name: value for name, value in cascaded.items() if name.startswith("--")}
        if not own:
            return inherited
        self._steps.take(len(inherited) + len(own))
        return {**inherited, **own}

    def _resolve_values(
        self, cascaded: Mapping[str, str], customs: Mapping[str, str], parent: Declared
    ) -> dict[str, str]:
        declared: dict[str, str] = {}
        for name, written in cascaded.items():
            if name.startswith("--"):
                continue
            value = self._with_variables(written, customs)
            if value.startswith(PENDING):
                value = unpack_longhand(name, value)
            low = value.lower()
            if low == "inherit" or (low in {"unset", "revert", "revert-layer"} and name in _INHERITED):
                value = "inherit" if name == "color" else "" if name in _INHERITED else parent.get(name, "")
            elif low in {"unset", "revert", "revert-layer", "initial"}:
                value = "initial" if name in _INHERITED else ""
            if value:
                declared[name] = value
        return declared

    def _with_variables(self, value: str, customs: Mapping[str, str]) -> str:
        if "var(" not in value.lower():
            return value
        mark = PENDING if value.startswith(PENDING) else ""
        found = tinycss2.parse_component_value_list(value.removeprefix(PENDING), skip_comments=True)
        replaced = self._replace_variables(found, customs, 0)
        return "" if replaced is None or len(replaced) > _LONGEST_VALUE else mark + replaced

    def _replace_variables(self, found: Sequence[Any], customs: Mapping[str, str], depth: int) -> str | None:
        """Return tokens as text with their variables replaced.

        None where one is not set and has no fallback.
        """
        written: list[str] = []
        for token in found:
            self._steps.take(1)
            text = self._replace_token(token, customs, depth)
            if text is None or len(text) > _LONGEST_VALUE:
                return None
            written.append(text)
        return "".join(written)

    def _replace_token(self, token: Any, customs: Mapping[str, str], depth: int) -> str | None:
        if token.type == "function" and token.lower_name == "var":
            if depth > _DEEPEST:
                return None
            name = next((one.value for one in token.arguments if one.type == "ident"), "")
            if name in customs:
                value = tinycss2.parse_component_value_list(customs[name], skip_comments=True)
                return self._replace_variables(value, customs, depth + 1)
            comma = next((at for at, one in enumerate(token.arguments) if is_comma(one)), None)
            return (
                None
                if comma is None
                else self._replace_variables(token.arguments[comma + 1 :], customs, depth + 1)
            )
        if token.type == "function" and depth <= _DEEPEST:
            inner = self._replace_variables(token.arguments, customs, depth + 1)
            return None if inner is None else f"{token.name}({inner})"
        return token.serialize()

    def _last_frame(self, declared: Declared, important: set[str]) -> dict[str, str]:
        """Return what an element has once its animation is over, where the animation stays as it ended."""
        written = " ".join(
            declared.get(name, "") for name in ("animation", "animation-name", "animation-fill-mode")
        )
        if not self._frames or not written.strip():
            return {}
        names = [piece for piece in re.split(r"[\s,]+", written) if piece in self._frames]
        if not {"forwards", "both", "infinite"} & set(words(written.replace(",", " "))):
            return {}
        return {
            name: value for frame in names for name, value in self._frames[frame] if name not in important
        }

    def _read(self, rules: Iterable[Any], above: str, *, layered: bool, depth: int) -> None:
        """Take up rules, below the selector `above` ("": none)."""
        if depth > _DEEPEST:
            return
        for rule in rules:
            self._steps.take(1)
            if rule.type == "qualified-rule":
                self._read_rule(rule, above, layered=layered, depth=depth)
            elif rule.type == "at-rule" and rule.lower_at_keyword == "import":
                self._read_import(rule, depth)
            elif rule.type == "at-rule" and rule.content is not None:
                self._read_at(rule, above, layered=layered, depth=depth)

    def _read_rule(self, rule: Any, above: str, *, layered: bool, depth: int) -> None:
        selector = _nest_selector(tinycss2.serialize(rule.prelude).strip(), above)
        self._take(selector, rule.content, layered=layered)
        if any(one.type == "{} block" for one in rule.content):
            inner = tinycss2.parse_blocks_contents(rule.content, skip_comments=True, skip_whitespace=True)
            self._read(inner, selector, layered=layered, depth=depth + 1)

    def _take(self, selector: str, content: Sequence[Any], *, layered: bool) -> None:
        declared = tuple(self._declarations(content, layered=layered))
        if not declared or not selector:
            return
        self._rules.add(selector, _Rule(declared))
        if _STATE.search(selector) and any(_shows(name, value) for name, value, _ in declared):
            for one in selector.split(","):
                last = _COMBINATOR.split(one.strip())[-1]
                if _STATE.search(one) and (not _STATE.search(last) or ":target" in last):
                    self._other_states.add(_STATE.sub("", one), None)

    def _read_at(self, rule: Any, above: str, *, layered: bool, depth: int) -> None:
        name = rule.lower_at_keyword
        if name.endswith("keyframes"):
            self._read_frames(rule)
        elif name in _READ_INSIDE and _applies(name, rule.prelude):
            if name == "scope":
                start = next((one.content for one in rule.prelude if one.type == "() block"), [])
                above = _nest_selector(tinycss2.serialize(start).strip(), above)
            layered |= name == "layer"
            parse = tinycss2.parse_blocks_contents if above else tinycss2.parse_rule_list
            if above:
                self._take(above, rule.content, layered=layered)
            inner = parse(rule.content, skip_comments=True, skip_whitespace=True)
            self._read(inner, above, layered=layered, depth=depth + 1)

    def _read_import(self, rule: Any, depth: int) -> None:
        address = next((one for one in rule.prelude if one.type in {"string", "url", "function"}), None)
        arguments = getattr(address, "arguments", None)
        written = str(getattr(arguments[0] if arguments else address, "value", ""))
        if not written.lower().startswith("data:"):
            self.external = True
            return
        found = tinycss2.parse_stylesheet(_inside(written), skip_comments=True, skip_whitespace=True)
        self._read(found, "", layered=False, depth=depth + 1)

    def _read_frames(self, rule: Any) -> None:
        name = tinycss2.serialize(rule.prelude).strip().strip("\"'")
        for frame in tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True):
            at = re.split(r"[\s,]+", tinycss2.serialize(getattr(frame, "prelude", [])).lower().strip())
            if frame.type == "qualified-rule" and {"to", "100%"} & set(at):
                found = self._declarations(frame.content, layered=False)
                self._frames[name] = tuple((one, value) for one, value, _ in found)

    def _declarations(self, content: str | Sequence[Any], *, layered: bool) -> Iterator[tuple[str, str, int]]:
        """Yield (longhand, value, rank) of the declarations of a rule or a style attribute."""
        for one in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
            if one.type != "declaration":
                continue
            self._steps.take(1)
            value = tinycss2.serialize(one.value).strip()
            rank = (_IMPORTANT + layered) if one.important else int(not layered)
            for name, said in longhands(one.name, value) if len(value) <= _LONGEST_VALUE else ():
                yield name, said, rank


def _names(root: Element) -> frozenset[str]:
    """Return the classes and ids of a page, as selectors write them."""
    found: set[str] = set()
    for element in root.iter("*"):
        found.update(f".{name}" for name in (element.get("class") or "").split())
        found.add(f"#{element.get('id')}")
    return frozenset(found)


def _own_sheets(root: Element, styles: Styles) -> Iterator[tuple[str, str]]:
    """Yield the media and the text of the sheets that a page brings along; note when others lie elsewhere."""
    boxes = root.iter("noscript", "template")
    unused = {element for box in boxes for element in box.iter("style", "link")}
    for element in root.iter("style", "link"):
        if element in unused:
            continue
        media = element.get("media") or ""
        if element.tag == "style":
            if (element.get("type") or "text/css").strip().lower() == "text/css":
                yield media, "".join(element.itertext())
        elif "stylesheet" in (element.get("rel") or "").lower().split():
            address = (element.get("href") or "").strip()
            if address.lower().startswith("data:"):
                yield media, _inside(address)
            else:
                styles.external = True


def _inside(address: str) -> str:
    """Return what a data: address holds."""
    head, _, data = address.partition(",")
    body = unquote_to_bytes(data[: 4 * MOST_CSS])
    if head.lower().rstrip().endswith(";base64"):
        try:
            body = base64.b64decode(body + b"==", validate=False)
        except ValueError:
            return ""
    return body.decode("utf-8", errors="replace")


def _nest_selector(selector: str, above: str) -> str:
    if not above:
        return selector.replace("&", ":root")
    if "&" in selector:
        return selector.replace("&", f":is({above})")
    return ", ".join(f":is({above}) {one.strip()}" for one in selector.split(","))


def _applies(name: str, prelude: Sequence[Any]) -> bool:
    if name in {"media", "container"}:
        return holds(tinycss2.serialize(prelude))
    return name != "supports" or tinycss2.serialize(prelude).strip().lower()[:3] != "not"


def _shows(name: str, value: str) -> bool:
    """Tell whether a declaration can bring out what was hidden."""
    hides = {
        "display": {"none"},
        "visibility": {"hidden", "collapse"},
        "opacity": {"0"},
        "max-height": {"0", "0px"},
        "height": {"0", "0px"},
        "grid-template-rows": {"0fr"},
        "transform": set[str](),
        "clip-path": set[str](),
    }
    return name in hides and value.lower() not in hides[name]
