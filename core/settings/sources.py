"""What gets into sources behind a sign-in: a group of settings."""

from __future__ import annotations

from pydantic import Field, SecretStr

from core.settings.group import Group, Words


class SourceSettings(Group):
    """Tokens and rules of sources: `pages.sources.plug.SourceAccess`."""

    git_tokens: SecretStr = Field(
        SecretStr(""),
        description="Tokens of Git hosts for sources git+https://…: HOST=TOKEN or HOST=USER:TOKEN, "
        "comma-separated; each is sent to its own host only.",
    )
    git_folders: Words = Field(
        default=[],
        description="Folders of this machine whose Git repositories may be sources (git+file:///…), "
        "comma-separated.",
    )
    git_ssh_key: str = Field(
        "",
        description="File with the private key for sources git+ssh://…; empty: the keys of the bot's user.",
    )
    git_known_hosts: str = Field(
        "", description="File with the keys of ssh hosts; empty: known_hosts of the bot's user."
    )
    confluence_tokens: SecretStr = Field(
        SecretStr(""),
        description="Tokens for sources confluence+https://…, comma-separated: HOST=E-MAIL:TOKEN in the "
        "Cloud, HOST=TOKEN (a personal access token) in Data Center.",
    )
    confluence_groups: Words = Field(
        default=[],
        description=(
            "Who is in the groups of Confluence, comma-separated: NAME=entra:group:ID, "
            "NAME=slack:channel:ID, or NAME=everyone, such as confluence-users=everyone."
        ),
    )
    sharepoint_tenant_id: str = Field(
        "", description="Entra tenant for sources sharepoint+https://…; empty: app_tenant_id."
    )
    sharepoint_client_id: str = Field(
        "", description="The app that reads SharePoint and OneDrive; empty: the bot's own, app_id."
    )
    sharepoint_client_secret: SecretStr = Field(SecretStr(""), description="Client secret of that app.")
    sharepoint_groups: Words = Field(
        default=[],
        description="Who is in the groups of SharePoint, which Microsoft Graph does not say, "
        "comma-separated: NAME=entra:group:ID, or NAME=everyone.",
    )
    notion_token: SecretStr = Field(
        SecretStr(""), description="Secret of the integration for sources notion+https://…."
    )
    google_drive_key: SecretStr = Field(
        SecretStr(""),
        description=(
            "Key of the service account for sources googledrive+https://…: the content of"
            " its JSON file, plain or in base64."
        ),
    )
    google_drive_subject: str = Field(
        "",
        description="The person of your Google Workspace for whom the service account reads (domain-wide "
        "delegation); empty: for itself.",
    )
    google_drive_groups: Words = Field(
        default=[],
        description=(
            "Who is meant by the groups, people and domains of Google, comma-separated: "
            "NAME=entra:group:ID, NAME=slack:channel:ID, or NAME=everyone, such as "
            "example.com=everyone."
        ),
    )
