"""A bare repository of ours that has the newest commit of one branch of another one: git is the client.

    repository = GitRepository(folder, remote)
    commit = await repository.fetch("main")
    for file in await repository.list_files(commit, "docs"): …

Only the newest commit is fetched (shallow), without the contents of files (a partial clone, where the
server knows that); then those of the files that are asked for. Nothing is ever checked out: no hook, no
filter, no link and no path of a repository acts on this machine. git gets none of our environment and no
configuration but what stands here, may speak one protocol, follows no redirect (a token would go with it),
and is ended beyond a time and a size. A repository that git finds broken, such as after a `kill -9`, is
fetched anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.files import only_one
from pages.fetched import PageUnreachable, PageUnreadable, SignInNeeded

TIMEOUT_S = 600.0
"""Longest time for one command of git, seconds."""
MOST_BYTES = 1_000_000_000
"""Largest file that git may write, a pack of what it fetched."""
MOST_FILES = 200_000
"""Most files of the folder that are looked at."""
MOST_PACKS = 60
"""Packs after which a copy is made anew: each look adds up to two, and git prunes none of a partial clone."""
_HEAD = "refs/askpage/head"
_NOT_INSTALLED = 127  # what a shell says of a command that it does not find
_BLOCK = 512  # bytes that `ulimit -f` counts in (POSIX)
_BROKEN = re.compile(
    r"\.lock'|bad object|corrupt|not a git repository: '|loose object|invalid object|missing (?:blob|tree)"
    r"|did not send all necessary objects|object file|packfile|unable to read|shallow file has changed"
)
_REASONS = (
    (
        re.compile(
            r"could not read Username|Authentication failed|error: 40[13]|Permission denied|publickey"
        ),
        SignInNeeded,
        "{site} does not let me read that repository: the token in git_tokens (or the ssh key) is missing, "
        "has "
        "expired, or has no right to read it (contents: read).",
    ),
    (
        re.compile(
            r"[Rr]epository not found|repository '.*' not found|does not appear to be a git repo|error: 404"
        ),
        PageUnreachable,
        "{site} has no such repository, or hides it from a token that may not read it; please check both.",
    ),
    (
        re.compile(r"find remote ref|not our ref"),
        PageUnreadable,
        "That repository has no such branch or tag; please check what stands behind the @ of the source.",
    ),
    (
        re.compile(r"dubious ownership"),
        PageUnreadable,
        "That repository belongs to another user of this machine; it has to belong to the bot's user.",
    ),
    (
        re.compile(r"Host key verification failed"),
        PageUnreachable,
        "The ssh key of {site} is not known here; please add it to the file in the setting git_known_hosts.",
    ),
    (
        re.compile(r"redirect|error: 30[1-8]"),
        PageUnreachable,
        "{site} sends git on to another address; please write that one into the source.",
    ),
)


class _Broken(Exception):
    """Our copy of the repository cannot be used."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Where to fetch: the address, how it is named to people, and what git's environment has for it."""

    url: str
    site: str
    protocol: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file of a commit: its path, its mode (120000 is a link, 160000 a submodule), its object."""

    path: str
    mode: str
    object_id: str


class GitRepository:
    """See the module; `lock` it while it is used."""

    def __init__(self, folder: Path, remote: Remote) -> None:
        self._folder = folder
        self._remote = remote

    @asynccontextmanager
    async def lock(self) -> AsyncGenerator[None]:
        """Keep other processes off it, waiting for one that is at it."""
        path = self._folder.with_suffix(".lock")
        await asyncio.to_thread(path.parent.mkdir, 0o700, parents=True, exist_ok=True)
        deadline = asyncio.get_running_loop().time() + TIMEOUT_S
        with contextlib.ExitStack() as held:
            while True:
                try:
                    held.enter_context(only_one(path, wait=False))
                    break
                except BlockingIOError:
                    if asyncio.get_running_loop().time() > deadline:
                        raise PageUnreachable("Another process is reading that Git repository.") from None
                    await asyncio.sleep(1.0)
            yield

    async def fetch(self, ref: str) -> str:
        """Fetch the newest commit of a branch or tag, "" for the default branch, and return its id.

        Raises PageRefused.
        """
        try:
            return await self._fetch(ref)
        except _Broken:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            return await self._fetch(ref)
        except _Broken as broken:
            raise PageUnreadable(f"git cannot read that repository: {broken}") from None

    async def _fetch(self, ref: str) -> str:
        if await asyncio.to_thread(_has_many_packs, self._folder):
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        if not await asyncio.to_thread((self._folder / "HEAD").is_file):
            await asyncio.to_thread(self._folder.mkdir, 0o700, parents=True, exist_ok=True)
            await self._run("init", "--quiet", "--bare", "--template=", ".")
            await self._run("config", "remote.origin.url", self._remote.url)
        await self._run(
            *("fetch", "--quiet", "--depth=1", "--filter=blob:none", "--no-tags", "--no-recurse-submodules"),
            *("--no-write-fetch-head", "--no-auto-maintenance", "origin", f"+{ref or 'HEAD'}:{_HEAD}"),
        )
        return (await self._run("rev-parse", "--verify", f"{_HEAD}^{{commit}}")).decode().strip()

    async def list_files(self, commit: str, folder: str) -> list[TreeFile]:
        """Return the files of a commit's folder ("" for all). Raises PageUnreadable where there is none."""
        try:
            tree = await self._run("rev-parse", "--verify", "--end-of-options", f"{commit}:{folder}")
            said = await self._run("ls-tree", "-r", "-z", "--full-tree", tree.decode().strip())
        except (_Broken, PageUnreadable, PageUnreachable):
            raise PageUnreadable(
                f"That repository has no folder {folder}; please check the source."
            ) from None
        entries = [entry for entry in said.split(b"\0") if entry]
        if len(entries) > MOST_FILES:
            raise PageUnreadable(
                f"That folder has more than {MOST_FILES:,} files; please name a smaller one with "
                f"#subdirectory=."
            )
        return [_parse_entry(entry) for entry in entries]

    async def fetch_contents(self, commit: str, folder: str, object_ids: Sequence[str]) -> dict[str, int]:
        """Fetch the contents of files that are not here yet; return the size of each. Raises PageRefused."""
        if not object_ids:
            return {}
        missing = await self._run(
            "rev-list", "--objects", "--missing=print", "--no-object-names", f"{commit}:{folder}"
        )
        lacking = {line[1:].decode() for line in missing.splitlines() if line.startswith(b"?")}
        wanted = [one for one in dict.fromkeys(object_ids) if one in lacking]
        if wanted:
            await self._run(
                *(
                    "-c",
                    "fetch.negotiationAlgorithm=noop",
                ),  # as git itself fetches what a partial clone lacks
                *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
                *("--no-auto-maintenance", "--filter=blob:none", "--stdin", "origin"),
                given="\n".join(wanted).encode() + b"\n",
            )
        said = await self._run("cat-file", "--batch-check", given="\n".join(object_ids).encode() + b"\n")
        lines = [line.split() for line in said.decode().splitlines()]
        return {line[0]: int(line[2]) for line in lines if len(line) == 3 and line[1] == "blob"}  # noqa: PLR2004

    async def read_content(self, object_id: str) -> bytes:
        """Return the content of a file. Raises PageUnreachable."""
        try:
            return await self._run("cat-file", "blob", object_id)
        except _Broken as broken:
            raise PageUnreachable(f"git cannot read that file now: {broken}") from None

    async def _run(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run git here and return what it says. Raises _Broken, PageRefused."""
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", f'ulimit -f {MOST_BYTES // _BLOCK} && exec git "$@"', "git"),
            *(*SETTINGS, *arguments),
            cwd=self._folder,
            env=_build_environment(self._remote, self._folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                said, failure = await process.communicate(given)
        except TimeoutError:
            raise PageUnreachable(
                f"{self._remote.site} took longer than {TIMEOUT_S:g} seconds to send that repository."
            ) from None
        finally:
            await _end(process)
        if process.returncode:
            raise self._explain(failure.decode("utf-8", "replace"), process.returncode)
        return said

    def _explain(self, said: str, status: int) -> Exception:
        if status in {-signal.SIGXFSZ, 128 + signal.SIGXFSZ} or "File too large" in said:
            return PageUnreadable(f"That repository is larger than {MOST_BYTES / 1e9:g} GB; please split it.")
        if status == _NOT_INSTALLED:
            return PageUnreachable("There is no git on this machine; please install it to read Git sources.")
        for pattern, kind, sentence in _REASONS:
            if pattern.search(said):
                return kind(sentence.format(site=self._remote.site))
        if _BROKEN.search(said):
            return _Broken("it is broken, also when it is fetched anew.")
        return PageUnreachable(f"{self._remote.site} cannot be reached by git; please try again later.")


SETTINGS = (
    *(
        "-c",
        "safe.directory=*",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "gc.auto=0",
    ),
    *("-c", "credential.helper=", "-c", "http.followRedirects=false", "-c", "http.proxy="),
    *("-c", "protocol.allow=never", "-c", "transfer.bundleURI=false", "-c", "core.askPass=true"),
    *("-c", "transfer.unpackLimit=1", "-c", "pack.threads=1", "-c", "submodule.recurse=false"),
)


def _build_environment(remote: Remote, folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),  # noqa: TID251 - not a setting
        "HOME": str(folder),
        "GIT_DIR": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": remote.protocol,
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
        **remote.environment,
    }


def _has_many_packs(folder: Path) -> bool:
    """Tell whether so much was fetched that what is gone by now had better go here, too."""
    return sum(1 for _ in folder.glob("objects/pack/*.pack")) > MOST_PACKS


async def _end(process: asyncio.subprocess.Process) -> None:
    """End git with the helpers that it started, where they are still at it."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _parse_entry(entry: bytes) -> TreeFile:
    head, _, path = entry.partition(b"\t")
    mode, _, object_id = head.decode().split(" ")[:3]
    return TreeFile(path.decode("utf-8", "replace"), mode, object_id)
