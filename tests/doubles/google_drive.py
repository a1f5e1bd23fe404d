"""Google Drive over HTTP, as far as pages are read: a service account's token, files, changes, permissions.

Written after developers.google.com (Drive API v3; OAuth 2.0 for service accounts): the assertion is checked
(RS256, issuer, audience, scope, an hour at most), 401 without the token that was given for it, 403 with
reasons for limits of use and for exports beyond 10 MB, page tokens, changes with newStartPageToken, removed
ones, 400 for a token that is not taken, permissions within the files of one's own and by a call of their own
in shared drives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web

TOKEN = "ya29.SECRET"  # noqa: S105
EMAIL = "reader@handbook.iam.gserviceaccount.com"
GOOGLE = "application/vnd.google-apps."
FOLDER = f"{GOOGLE}folder"
_READER = {"id": "r", "type": "user", "emailAddress": EMAIL, "role": "reader"}


def permission(kind: str, address: str = "", *, found: bool = False, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"id": f"{kind}-{address}-{found}", "type": kind, "role": "reader", **more}
    if kind in {"user", "group"}:
        return given | {"emailAddress": address}
    return given | {"allowFileDiscovery": found} | ({"domain": address} if address else {})


def refuse(status: int, reason: str) -> web.Response:
    error = {"code": status, "message": reason, "errors": [{"domain": "global", "reason": reason}]}
    return web.json_response({"error": error}, status=status)


@dataclass
class GoogleDrive:
    """See the module. `public_key` is the account's; `bodies` are what a file is, or is exported as."""

    public_key: Any
    files: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    bodies: dict[str, bytes] = field(default_factory=dict[str, bytes])
    permissions: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    changes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    shared_drive: str = ""
    hides_permissions: bool = False
    subject: str | None = None
    at_a_time: int = 2
    refusals: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    login_error: str = ""
    forgets_changes: bool = False
    incomplete: bool = False
    asked: list[str] = field(default_factory=list[str])
    port: int = 0

    def add(
        self, number: str, name: str, kind: str, body: bytes | None = None, parent: str = "root", **more: Any
    ) -> None:
        """Have a file or folder, in place of one with the same id, and tell of the change."""
        file = {"id": number, "name": name, "mimeType": kind, "parents": [parent], "trashed": False}
        file |= {"modifiedTime": f"2026-11-30T10:00:{len(self.changes):02}.000Z"}
        file |= {"webViewLink": f"https://docs.google.com/document/d/{number}/edit?usp=drivesdk"}
        if body is not None:
            self.bodies[number] = body
            if not kind.startswith(GOOGLE):
                file |= {"size": str(len(body)), "md5Checksum": f"{hash(body):x}"}
        self.files[number] = file | more
        self.note(number)

    def note(self, number: str) -> None:
        """Tell of a change of a file."""
        self.changes.append({"changeType": "file", "fileId": number})

    def remove(self, number: str) -> None:
        del self.files[number]
        self.note(number)

    async def answer(self, request: web.Request) -> web.Response:  # noqa: C901, PLR0911 - a path each
        """Answer a call."""
        self.asked.append(f"{request.method} {request.path}")
        if request.path == "/token":
            return await self._give_token(request)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return refuse(401, "authError")
        if self.refusals:
            return refuse(*self.refusals.pop(0))
        match request.path.removeprefix("/drive/v3").strip("/").split("/"):
            case ["files"]:
                return self._list_files(request)
            case ["files", number]:
                return self._send(number, request)
            case ["files", number, "export"]:
                return self._export(number, request)
            case ["files", number, "permissions"]:
                return self._list_permissions(number, request)
            case ["changes", "startPageToken"]:
                return web.json_response({"startPageToken": f"c{len(self.changes)}"})
            case ["changes"]:
                return self._list_changes(request)
            case _:
                return refuse(404, "notFound")

    async def _give_token(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        try:
            claims = jwt.decode(
                str(form["assertion"]), self.public_key, ["RS256"], audience=str(request.url), issuer=EMAIL
            )
        except jwt.PyJWTError:
            return web.json_response({"error": "invalid_grant"}, status=400)
        assert claims["exp"] - claims["iat"] <= 3600
        assert claims["scope"] == "https://www.googleapis.com/auth/drive.readonly"
        if self.login_error or claims.get("sub") != self.subject:
            return web.json_response({"error": self.login_error or "unauthorized_client"}, status=401)
        return web.json_response({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    def _show(self, file: dict[str, Any]) -> dict[str, Any]:
        number = str(file["id"])
        given = self.permissions.get(number, [_READER])
        shown = {**file, "permissionIds": [one["id"] for one in given]}
        if self.shared_drive:
            shown["driveId"] = self.shared_drive
        elif not self.hides_permissions:
            shown["permissions"] = given
        return shown

    def _list_files(self, request: web.Request) -> web.Response:
        asked = request.query
        assert asked["corpora"] == ("drive" if self.shared_drive else "user")
        assert asked.get("driveId", "") == self.shared_drive
        listed = [self._show(one) for one in self.files.values() if one["id"] != self.shared_drive]
        start = int(asked.get("pageToken", "f0")[1:])
        shown, more = listed[start : start + self.at_a_time], start + self.at_a_time < len(listed)
        following = {"nextPageToken": f"f{start + self.at_a_time}"} if more else {}
        return web.json_response({"files": shown, "incompleteSearch": self.incomplete, **following})

    def _list_changes(self, request: web.Request) -> web.Response:
        asked = request.query
        if self.forgets_changes:
            return refuse(400, "invalid")
        assert asked["includeRemoved"] == "true"
        start = int(asked["pageToken"][1:])
        end = start + self.at_a_time
        shown = [self._show_change(one) for one in self.changes[start:end]]
        token = {"nextPageToken": f"c{end}"} if end < len(self.changes) else {}
        return web.json_response(
            {"changes": shown, **(token or {"newStartPageToken": f"c{len(self.changes)}"})}
        )

    def _show_change(self, change: dict[str, Any]) -> dict[str, Any]:
        file = self.files.get(change["fileId"])
        return {**change, "removed": True} if file is None else {**change, "file": self._show(file)}

    def _send(self, number: str, request: web.Request) -> web.Response:
        if number not in self.files:
            return refuse(404, "notFound")
        if request.query.get("alt") != "media":
            return web.json_response(self._show(self.files[number]))
        if self.files[number]["mimeType"].startswith(GOOGLE):
            return refuse(403, "fileNotDownloadable")
        return web.Response(body=self.bodies[number], content_type="application/octet-stream")

    def _export(self, number: str, request: web.Request) -> web.Response:
        if len(self.bodies[number]) > 10_000_000:
            return refuse(403, "exportSizeLimitExceeded")
        return web.Response(body=self.bodies[number], content_type=request.query["mimeType"])

    def _list_permissions(self, number: str, request: web.Request) -> web.Response:
        if self.hides_permissions:
            return refuse(403, "insufficientFilePermissions")
        start = int(request.query.get("pageToken", "p0")[1:])
        given, end = self.permissions.get(number, [_READER]), start + self.at_a_time
        following = {"nextPageToken": f"p{end}"} if end < len(given) else {}
        return web.json_response({"permissions": given[start:end], **following})
