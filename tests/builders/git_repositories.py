"""Git repositories for tests, made with git itself: a bare one, and commits in it without a working tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

WHO = {
    "GIT_AUTHOR_NAME": "Kim",
    "GIT_AUTHOR_EMAIL": "kim@example.com",
    "GIT_COMMITTER_NAME": "Kim",
    "GIT_COMMITTER_EMAIL": "kim@example.com",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}
LINK, SUBMODULE = "120000", "160000"


class Repository:
    """A bare repository at `path` whose branch main has what `commit` was given last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.run("init", "--quiet", "--bare", "--initial-branch=main", ".")
        self.run("config", "uploadpack.allowFilter", "true")
        self.run("config", "http.receivepack", "false")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def run(self, *arguments: str, given: bytes = b"") -> str:
        """Run git in it and return what it says."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            input=given,
            capture_output=True,
            check=True,
            env={**os.environ, **WHO},  # noqa: TID251 - not a setting
        )
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str | bytes | tuple[str, str]], branch: str = "main") -> str:
        """Make a commit of these files alone, paths as given; (mode, content) is a link or submodule."""
        tree = self._write_tree({path: self._write_file(one) for path, one in files.items()})
        parents = self.run("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").split()
        made = self.run(
            "commit-tree", tree, "-m", "Pages", *(word for one in parents for word in ("-p", one))
        )
        self.run("update-ref", f"refs/heads/{branch}", made)
        return made

    def _write_file(self, content: str | bytes | tuple[str, str]) -> tuple[str, str]:
        if isinstance(content, tuple) and content[0] == SUBMODULE:
            return content
        mode, text = content if isinstance(content, tuple) else ("100644", content)
        given = text.encode() if isinstance(text, str) else text
        return mode, self.run("hash-object", "-w", "--stdin", given=given)

    def _write_tree(self, files: Mapping[str, tuple[str, str]]) -> str:
        """Write a tree as bytes: git's own commands refuse the names that hostile repositories have."""
        folders: dict[str, dict[str, tuple[str, str]]] = {}
        entries: dict[str, tuple[str, str]] = {}
        for path, entry in files.items():
            first, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(first, {})[rest] = entry
            else:
                entries[first] = entry
        entries |= {name: ("40000", self._write_tree(inside)) for name, inside in folders.items()}
        body = b"".join(
            f"{mode} {name}".encode() + b"\0" + bytes.fromhex(entries[name][1])
            for name, (mode, _) in sorted(
                entries.items(), key=lambda one: one[0] + "/" * (one[1][0] == "40000")
            )
        )
        return self.run("hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=body)
