"""Who uses whom in the project: an import, a module that a string names, a file that a string names.

Strings count, for much is started or imported by its name: `import_module("bot.app")`, `-m
tests.processes.tiny_llama` as a process of its own. Docstrings do not. Two kinds of edges are kept apart: a
type checker follows imports alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_PYTHON_FILE = re.compile(r"[\w/]+\.py\b")
_ENTRY_POINT = re.compile(r"(\w+):\w+")

Uses = Mapping[str, Collection[str]]
"""A module → the modules that it uses."""


@dataclass(frozen=True)
class Source:
    """What one file says. `fixtures` maps its own to the modules that each uses, also through others."""

    imports: frozenset[str]
    named: frozenset[str]
    words: frozenset[str]
    parameters: frozenset[str]
    fixtures: Mapping[str, frozenset[str]]


def to_module(path: str) -> str:
    """Return the module of a file below the root: `bot/app.py` is `bot.app`, `bot/__init__.py` is `bot`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def read_source(text: str, modules: Collection[str]) -> Source:
    """Read a file; only modules of the project count."""
    tree = ast.parse(text)
    imported = {name: module for node in ast.walk(tree) for name, module in _imports(node, modules)}
    strings = list(_strings(tree))
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
    return Source(
        imports=frozenset(imported.values()),
        named=frozenset(module for text in strings for module in _find_modules(text, modules)),
        words=frozenset(word for text in strings for word in text.split("/")),
        parameters=frozenset(name for one in functions for name in _parameters(one)),
        fixtures=_fixtures(functions, imported),
    )


def _imports(node: ast.AST, modules: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the names that an import statement binds, and their modules."""
    if isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            found = whole if whole in modules else node.module
            if found in modules:
                yield alias.asname or alias.name, found
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name in modules:
                yield alias.asname or alias.name, alias.name


def _strings(tree: ast.AST) -> Iterator[str]:
    """Yield every string that is not a docstring."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        yield from _strings(node)


def _find_modules(text: str, modules: Collection[str]) -> Iterator[str]:
    for dotted in _DOTTED.findall(text):
        parts = dotted.split(".")
        names = (".".join(parts[:length]) for length in range(len(parts), 1, -1))
        found = next((name for name in names if name in modules), None)
        if found:
            yield found
    files = (to_module(path) for path in _PYTHON_FILE.findall(text))
    entries = (entry.group(1) for entry in [_ENTRY_POINT.fullmatch(text)] if entry)
    yield from (name for name in (*files, *entries) if name in modules)


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [one.arg for one in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def _fixtures(
    functions: Iterable[ast.FunctionDef | ast.AsyncFunctionDef], imported: Mapping[str, str]
) -> dict[str, frozenset[str]]:
    decorated = {
        one.name: one for one in functions if any("fixture" in ast.unparse(d) for d in one.decorator_list)
    }

    def uses(name: str) -> frozenset[str]:
        body = decorated[name]
        names = {node.id for node in ast.walk(body) if isinstance(node, ast.Name)}
        asked = [parameter for parameter in _parameters(body) if parameter in decorated]
        return frozenset(imported[one] for one in names & imported.keys()).union(*map(uses, asked))

    return {name: uses(name) for name in decorated}


def all_uses(sources: Mapping[str, Source], shared: str) -> dict[str, set[str]]:
    """Return what each module uses: by any edge, and by the fixtures of `shared`, a conftest, it asks for.

    Every test uses that conftest; what the conftest imports is used by those alone who ask for the fixture
    that needs it.
    """
    fixtures = sources[shared].fixtures
    uses: dict[str, set[str]] = {}
    for module, source in sources.items():
        asked = (fixtures[name] for name in source.parameters & fixtures.keys())
        uses[module] = set(source.imports | source.named).union(*asked)
        if module.startswith(shared.rpartition(".")[0] + ".test_"):
            uses[module].add(shared)
    return uses | {shared: set()}


def with_packages(uses: Uses) -> dict[str, set[str]]:
    """Add the packages that a module stands in: their `__init__.py` runs first."""
    return {
        module: {*used, *(".".join(module.split(".")[:length]) for length in range(1, module.count(".") + 1))}
        for module, used in uses.items()
    }


def distances(changed: Iterable[str], uses: Uses) -> dict[str, int]:
    """Return the modules that a change reaches, nearest first, by the edges to each; 0 for a changed one."""
    users: dict[str, list[str]] = {}
    for module, used in uses.items():
        for one in used:
            users.setdefault(one, []).append(module)
    found = dict.fromkeys(changed, 0)
    queue = list(found)
    for module in queue:
        for user in users.get(module, ()):
            if user not in found:
                found[user] = found[module] + 1
                queue.append(user)
    return found


def readers(path: str, sources: Mapping[str, Source]) -> Sequence[str]:
    """Return the modules with a string that names a file; where none does, its folder."""
    whole = PurePosixPath(path)
    for word in (whole.name, whole.parent.name):
        found = [module for module, source in sources.items() if word in source.words]
        if word and found:
            return found
    return []
