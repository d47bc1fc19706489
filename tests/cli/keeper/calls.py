"""Every command of the keeper, in an order in which each finds what it needs; `{folder}` is a new one."""

from typing import Final

CALLS: Final = (
    ("keeper provider list",),
    ("keeper provider show", "github_app"),
    ("keeper provider check", "github_app"),
    ("keeper connect", "github_app"),
    ("keeper token", "github_app"),
    ("keeper list",),
    ("keeper show", "github_app"),
    ("keeper refresh", "github_app"),
    ("keeper quarantine", "github_app"),
    ("keeper release", "github_app"),
    ("keeper import", "{folder}/tokens.jsonl"),
    ("keeper export",),
    ("keeper key list",),
    ("keeper key rotate",),
    ("keeper key retire", "{old key}", "--yes"),
    ("keeper event list",),
    ("keeper doctor",),
    ("keeper api-key add", "billing", "--scope", "leases"),
    ("keeper api-key list",),
    ("keeper api-key revoke", "{api key}", "--yes"),
    ("keeper backup", "{folder}/backup"),
    ("keeper restore", "{folder}/backup", "--replace", "--yes"),
    ("keeper disconnect", "github_app", "--account", "me", "--yes"),
    ("keeper copy", "{vault}", "{folder}/other.db"),
    ("keeper reopen", "{vault}", "--yes"),
)
