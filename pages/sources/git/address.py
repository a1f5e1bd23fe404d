"""The address of a Git repository in a source word: where git fetches, which branch, where files are read.

    https://github.com/example/handbook@main        a token from the setting git_tokens, where there is one
    ssh://git@git.example.com/docs/handbook.git     the key in git_ssh_key, else those of the bot's user
    file:///srv/git/handbook.git                    only below a folder that the setting git_folders names

Nothing of an address can be taken for an option by git or ssh: every part is checked, and stands behind
`--` or in a place of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from pages.fetch.ssrf import Address, parse_address
from pages.fetched import AddressRefused
from pages.sources.named import PageFolder

_ADDRESS = re.compile(
    r"(?P<scheme>https|ssh|file)://(?P<authority>[^/]*)(?P<path>/[^?#@]*)(?:@(?P<ref>[^?#@]*))?"
)
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,60}")
_PATH = re.compile(r"/[^\s\x00-\x1f\\]{0,1000}")
NOT_WRITTEN = (
    "A Git source is written as git+https://host/path/repository@branch#subdirectory=docs, or with ssh:// or "
    "file:// in place of https://."
)


@dataclass(frozen=True, slots=True)
class GitAddress:
    """Where a repository is. `host` is None for one on this machine; `ref` "" is its default branch."""

    scheme: str
    host: Address | None
    user: str
    path: str
    ref: str

    @property
    def url(self) -> str:
        """The address as git takes it, without a secret."""
        if self.host is None:
            return f"file://{self.path}"
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host.host}]" if ":" in self.host.host else self.host.host
        usual = {"https": 443, "ssh": 22}[self.scheme]
        port = "" if self.host.port == usual else f":{self.host.port}"
        return f"{self.scheme}://{user}{host}{port}{self.path}"

    @property
    def name(self) -> str:
        """The repository's name."""
        return PurePosixPath(unquote(self.path)).name.removesuffix(".git") or "repository"

    def file_url(self, file: str, published: str) -> str:
        """Return where people read a file: on a site published from it, at its host, or at the bot."""
        if published or not (found := self._at_host(file)):
            folder = PageFolder(Path("/", self.name), published or None)
            return folder.address(Path("/", self.name, file))
        return found

    def _at_host(self, file: str) -> str:
        if self.host is None:
            return ""
        host, path, ref = self.host.host, quote(file), quote(self.ref or "HEAD")
        site = f"https://{host}{self.path.removesuffix('/').removesuffix('.git')}"
        if host == "github.com" or host.endswith(".ghe.com"):
            return f"{site}/blob/{ref}/{path}"
        if host == "gitlab.com" or host.startswith("gitlab."):
            return f"{site}/-/blob/{ref}/{path}"
        if host == "bitbucket.org":
            return f"{site}/src/{ref}/{path}"
        if host == "dev.azure.com":
            return f"{site}?path=/{path}"
        return ""


def parse_git_address(address: str, folders: tuple[str, ...]) -> GitAddress:
    """Take an address apart; `folders` are those whose repositories may be read. Raises AddressRefused."""
    parts = _ADDRESS.fullmatch(address)
    if parts is None or not _PATH.fullmatch(parts["path"]) or parts["path"].startswith("/-"):
        raise AddressRefused(NOT_WRITTEN)
    ref = _check_ref(parts["ref"] or "")
    if parts["scheme"] == "file":
        return _parse_local(parts["authority"], parts["path"], ref, folders)
    user, _, authority = parts["authority"].rpartition("@")
    if user and not _USER.fullmatch(user):
        raise AddressRefused(
            "The user's name in that Git address cannot be read; please check how it is written."
        )
    if authority.startswith("-"):
        raise AddressRefused(NOT_WRITTEN)
    if parts["scheme"] == "https":
        if user:
            raise AddressRefused(
                "That Git address has a user's name in it; please put HOST=USER:TOKEN into the setting "
                "git_tokens."
            )
        return GitAddress("https", parse_address(f"https://{authority}/"), "", parts["path"], ref)
    named = authority if authority.rpartition(":")[2].isdigit() else f"{authority}:22"
    return GitAddress("ssh", parse_address(f"https://{named}/"), user, parts["path"], ref)


def check_subdirectory(folder: str) -> str:
    """Return a folder of a repository as git names it. Raises AddressRefused."""
    parts = [part for part in folder.strip("/").split("/") if part not in {"", "."}]
    if ".." in parts or any(ord(letter) < 32 or letter in "\\:" for letter in folder):  # noqa: PLR2004 - controls
        raise AddressRefused("The subdirectory of that Git source has to be a folder inside its repository.")
    return "/".join(parts)


def _check_ref(ref: str) -> str:
    if ref and (not _REF.fullmatch(ref) or ".." in ref or ref.endswith((".lock", "/", "."))):
        raise AddressRefused("The branch in that Git address cannot be read; please check how it is written.")
    return ref


def _parse_local(authority: str, path: str, ref: str, folders: tuple[str, ...]) -> GitAddress:
    if authority not in {"", "localhost"}:
        raise AddressRefused(NOT_WRITTEN)
    real = Path(unquote(path)).resolve()
    if not any(real.is_relative_to(Path(folder).resolve()) for folder in folders):
        raise AddressRefused(
            f"I may not read the repository {path} on this machine; name its folder in the setting "
            f"git_folders."
        )
    return GitAddress("file", None, "", str(real), ref)
