"""A Git repository as a source: the files of one folder, at the newest commit of one branch.

A file's mark is the id of its object, so that two commits differ in what is read again exactly where their
contents do. Links and submodules are left out. Everybody may read a repository's pages, unless its source
word says who (`readers=`): Git knows nobody.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from core.readers import EVERYONE
from pages.fetch.client import Fetcher
from pages.fetch.ssrf import parse_address
from pages.fetched import Fetched, PageUnreadable
from pages.kinds import TYPE_OF_SUFFIX
from pages.sources.credentials import find_credential
from pages.sources.git.address import GitAddress, check_subdirectory, parse_git_address
from pages.sources.git.repository import GitRepository, Remote, TreeFile
from pages.sources.items import Problem
from pages.sources.ledger import Ledger, own_folder
from pages.sources.named import NOT_PAGES
from pages.sources.plug import Document, Listing, SourceAccess
from pages.sources.words import SourceWord

_FILES = frozenset({"100644", "100755", "100664"})
_LFS = b"version https://git-lfs.github.com/spec/v1"
LFS_POINTER = "That file is kept in Git LFS, which is not read; please keep it in the repository itself."


@asynccontextmanager
async def open_source(word: SourceWord, access: SourceAccess, fetcher: Fetcher) -> AsyncGenerator[GitSource]:
    """Open a repository's folder; nothing is fetched yet. Raises PageRefused."""
    address = parse_git_address(word.address, access.git_folders)
    folder = check_subdirectory(word.options.get("subdirectory", ""))
    published, files_at = (_check_base(word.options.get(name, "")) for name in ("published", "files_at"))
    remote = await _open_remote(address, access, fetcher)
    repository = GitRepository(own_folder(access.folder, word.text), remote)
    async with repository.lock():
        yield GitSource(address, folder, repository, published=published, files_at=files_at)


class GitSource:
    """See the module."""

    def __init__(
        self, address: GitAddress, folder: str, repository: GitRepository, *, published: str, files_at: str
    ) -> None:
        self._address = address
        self._folder = folder
        self._published = published
        self._files_at = files_at
        self._repository = repository

    async def list_documents(self, ledger: Ledger) -> Listing:
        """Return the folder's files at the newest commit."""
        commit = await self._repository.fetch(self._address.ref)
        files = [one for one in await self._repository.list_files(commit, self._folder) if _is_page(one.path)]
        listing = Listing()
        regular = [one for one in files if one.mode in _FILES and _is_plain(one.path)]
        sizes = await self._repository.fetch_contents(
            commit, self._folder, [one.object_id for one in regular]
        )
        listing.documents = [self._describe(one, sizes.get(one.object_id)) for one in regular]
        listing.problems = [
            Problem(self._address.url, f"{one.path!a} is no plain name of a file; please rename it.")
            for one in files
            if one.mode in _FILES and not _is_plain(one.path)
        ]
        links = [one.path for one in files if one.mode not in _FILES]
        if links:
            listing.remarks.append(
                f"{len(links)} links in it are left out, such as {links[0]!a}; please put the files "
                f"themselves there."
            )
        ledger.notes["commit"] = commit
        return listing

    async def read_document(self, document: Document) -> Fetched:
        """Return the content of a file."""
        body = await self._repository.read_content(document.mark)
        if body.startswith(_LFS):
            raise PageUnreadable(LFS_POINTER)
        return Fetched(document.url, body, document.media_type)

    def _find_url(self, path: str) -> str:
        if self._files_at:
            return f"{self._files_at}/{quote(path)}"
        return self._address.file_url(path, self._published)

    def _describe(self, file: TreeFile, size: int | None) -> Document:
        path = file.path if self._published or not self._folder else f"{self._folder}/{file.path}"
        return Document(
            id=file.path,
            url=self._find_url(path),
            title=file.path,
            media_type=TYPE_OF_SUFFIX[PurePosixPath(file.path).suffix.lower()],
            mark=file.object_id,
            readers=EVERYONE,
            size=size,
        )


def _check_base(url: str) -> str:
    """Return an address below which files lie, "" for none. Raises AddressRefused."""
    return parse_address(url).url.rstrip("/") if url else ""


def _is_page(path: str) -> bool:
    """Tell whether a path is a page's, by the rules for folders."""
    parts = path.split("/")
    if PurePosixPath(path).suffix.lower() not in TYPE_OF_SUFFIX:
        return False
    return not any(part in NOT_PAGES or (part.startswith(".") and part not in {".", ".."}) for part in parts)


def _is_plain(path: str) -> bool:
    """Tell whether a path names a file below its folder, whatever program reads it."""
    parts = path.split("/")
    return path.isprintable() and "\\" not in path and not {"", ".", ".."}.intersection(parts)


async def _open_remote(address: GitAddress, access: SourceAccess, fetcher: Fetcher) -> Remote:
    """Return what git needs to reach a repository, by the address that was checked."""
    if address.host is None:
        return Remote(address.url, address.name, "file")
    if address.scheme == "ssh":
        checked = await fetcher.check_address(
            replace(address.host, port=443)
        )  # the rules name ports of the web
        command = build_ssh_command(address.host.host, checked[0], access)
        return Remote(
            address.url, address.host.host, "ssh", {"GIT_SSH_COMMAND": command, "HOME": _find_home()}
        )
    checked = [f"[{one}]" if ":" in one else one for one in await fetcher.check_address(address.host)]
    credential = find_credential("git_tokens", access.git_tokens, address.host.site)
    config = [("http.curloptResolve", f"{address.host.host}:{address.host.port}:{','.join(checked)}")]
    if credential is not None:
        basic = credential if credential.user else replace(credential, user="x-access-token")
        config.append((f"http.https://{address.host.site}/.extraHeader", f"Authorization: {basic.basic}"))
    return Remote(address.url, address.host.site, "https", _write_config(config))


def build_ssh_command(host: str, checked: str, access: SourceAccess) -> str:
    """Return ssh as git is to run it: to the checked address, which has to show the host's key."""
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"HostName={checked}", f"HostKeyAlias={host}"]
    options += ["ProxyCommand=none", "ForwardAgent=no", "ConnectTimeout=20"]
    if access.git_known_hosts:
        options.append(f"UserKnownHostsFile={access.git_known_hosts}")
    if access.git_ssh_key:
        options += [f"IdentityFile={access.git_ssh_key}", "IdentitiesOnly=yes"]
    return shlex.join(["ssh", *(word for option in options for word in ("-o", option))])


def _find_home() -> str:
    return str(Path.home())


def _write_config(config: list[tuple[str, str]]) -> dict[str, str]:
    """Return git's configuration as its environment: others on the machine can read arguments."""
    found = {"GIT_CONFIG_COUNT": str(len(config))}
    for at, (name, value) in enumerate(config):
        found |= {f"GIT_CONFIG_KEY_{at}": name, f"GIT_CONFIG_VALUE_{at}": value}
    return found
