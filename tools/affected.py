"""What a change touches: runs the tests that it can break, or checks the types that it can break.

Run as: python -m tools.affected tests [--since COMMIT] [OPTION OF PYTEST …]   (`make quick`)
        python -m tools.affected types [--since COMMIT] [OPTION OF PYRIGHT …]  (`make check`)

What changed is what differs from COMMIT (where this branch left origin/main; without such a branch, the last
commit), files that git does not know yet among it. Tests that are slow (their marker says so) run where their
own file changed. Where nothing changed, or something that holds for every file (pyproject.toml), all types
are checked; and always where CI=true.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tools.imports import Source, all_uses, distances, read_source, readers, to_module, with_packages

ROOT = Path(__file__).resolve().parent.parent
CONFTEST = "tests.conftest"
FAST = "not model and not browser and not soak"
FOR_ALL_TYPES = ("pyproject.toml", "constraints.txt", "typings/", "locks/")
NOTHING_RAN = 5  # pytest's exit status where no test was chosen


def git(*arguments: str, root: Path = ROOT) -> list[str]:
    """Return the lines that git says; none where it fails."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout.splitlines() if done.returncode == 0 else []


def list_changed_files(since: str | None, root: Path = ROOT) -> list[str]:
    """Return the files that differ from a commit, deleted and new ones among them."""
    base = since or next(iter(git("merge-base", "HEAD", "origin/main", root=root)), "HEAD")
    if not git("rev-parse", "--verify", f"{base}^{{commit}}", root=root):
        sys.exit(f"git knows no commit {base}; say another one with --since")
    new = git("ls-files", "--others", "--exclude-standard", root=root)
    return sorted({*git("diff", "--name-only", "--no-renames", base, root=root), *new})


def read_sources(paths: Sequence[str], changed: Sequence[str], root: Path = ROOT) -> dict[str, Source]:
    """Read the modules at these paths; what changed may be gone, and is still used."""
    known = {to_module(path) for path in (*paths, *changed) if path.endswith(".py")}
    return {to_module(path): read_source((root / path).read_text("utf-8"), known) for path in paths}


def project_files(root: Path = ROOT) -> list[str]:
    """Return the Python files that git knows or would add."""
    known = git("ls-files", "--cached", "--others", "--exclude-standard", "*.py", root=root)
    return [path for path in sorted(set(known)) if (root / path).is_file()]


def find_affected_tests(changed: Sequence[str], root: Path = ROOT) -> tuple[list[str], list[str]]:
    """Return the test files that changed themselves, and those that a change reaches, nearest first."""
    paths = project_files(root)
    sources = read_sources(paths, changed, root)
    uses = with_packages(all_uses(sources, CONFTEST))
    begun = [to_module(path) for path in changed if path.endswith(".py")]
    begun += [module for path in changed if not path.endswith(".py") for module in readers(path, sources)]
    tests = {to_module(path): path for path in paths if _is_test(path)}
    found = [tests[module] for module in distances(begun, uses) if module in tests]
    own = [path for path in found if path in changed]
    return own, [path for path in found if path not in own]


def find_affected_types(changed: Sequence[str], root: Path = ROOT) -> list[str]:
    """Return the files to type-check, every one where a change concerns all."""
    paths = [path for path in project_files(root) if _is_checked(path, root)]
    if not changed or any(path.startswith(FOR_ALL_TYPES) for path in changed):
        return paths
    sources = read_sources(paths, changed, root)
    uses = with_packages({module: source.imports for module, source in sources.items()})
    reached = distances([to_module(path) for path in changed if path.endswith(".py")], uses)
    return [path for path in paths if to_module(path) in reached]


def _is_test(path: str) -> bool:
    return path.startswith("tests/") and path.rpartition("/")[2].startswith("test_")


def _is_checked(path: str, root: Path) -> bool:
    included: list[str] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["pyright"][
        "include"
    ]
    return path in included or path.partition("/")[0] in included


def run_tests(changed: Sequence[str], options: Sequence[str]) -> int:
    """Run the tests that a change reaches; return an exit status."""
    own, reached = find_affected_tests(changed)
    print(f"{len(changed)} changed files: {len(own)} changed files of tests, {len(reached)} others")  # noqa: T201
    pytest = [sys.executable, "-m", "pytest", *options]
    for chosen in ([*own], ["-m", FAST, *reached] if reached else []):
        if chosen:
            status = subprocess.run([*pytest, *chosen], cwd=ROOT, check=False).returncode  # noqa: S603
            if status not in (0, NOTHING_RAN):
                return status
    return 0


def check_types(changed: Sequence[str], options: Sequence[str]) -> int:
    """Check the types that a change reaches; return an exit status."""
    in_ci = os.environ.get("CI") == "true"  # noqa: TID251 - not a setting
    files = find_affected_types([] if in_ci else changed)
    print(f"{len(files)} files to check")  # noqa: T201
    command = [str(Path(sys.executable).parent / "pyright"), *options, *files]
    return subprocess.run(command, cwd=ROOT, check=False).returncode if files else 0  # noqa: S603


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("tests", "types"))
    parser.add_argument("--since", metavar="COMMIT", help="what is compared with (default: see above)")
    asked, options = parser.parse_known_args()
    run = run_tests if asked.what == "tests" else check_types
    sys.exit(run(list_changed_files(asked.since), options))


if __name__ == "__main__":
    main()
