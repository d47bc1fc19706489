"""The facts of every shipped provider that matter most, written out a second time: a slip of one hand is seen."""

from dataclasses import dataclass
from typing import Final

import pytest

from evergrant.keeper.provider.catalog import Catalog

SHIPPED: Final = Catalog.shipped()
Dead = tuple[tuple[int, str, str], ...]


@dataclass(frozen=True)
class Given:
    """What the sources say; None where they say nothing. *dead*: status, error, a part of the description."""

    auth: tuple[str, ...] | None = None
    sep: str | None = None
    life: int | None = None
    idle: int | None = None
    hard: int | None = None
    rotates: str | None = None
    retry: str = "unknown"
    grace: int | None = None
    reuse: str = "unknown"
    kills: bool = False
    dead: Dead = ()


GIVEN: Final = {
    "hubspot": Given(
        auth=("post",), sep=" ", life=1800, rotates="never", retry="safe", dead=((400, "invalid_grant", ""),)
    ),
    "google": Given(
        auth=("post",),
        sep=" ",
        life=3600,
        idle=15552000,
        rotates="never",
        retry="safe",
        dead=((400, "invalid_grant", "Token has been expired or revoked"),),
    ),
    "discord": Given(
        auth=("basic", "post"),
        sep=" ",
        life=604800,
        rotates="always",
        reuse="rejected",
        dead=((400, "invalid_grant", ""),),
    ),
    "github_app": Given(
        auth=("post",),
        sep=" ",
        life=28800,
        hard=15897600,
        rotates="always",
        retry="no",
        grace=0,
        kills=True,
        dead=((200, "bad_refresh_token", ""), (200, "unauthorized_client", "")),
    ),
    "github_oauth_app": Given(auth=("post",), life=0),
    "salesforce": Given(
        auth=("post",),
        sep=" ",
        idle=2592000,
        rotates="optional",
        retry="configurable",
        reuse="rejected",
        dead=((400, "invalid_grant", "expired access/refresh token"), (400, "inactive_user", "")),
    ),
    "visma_connect": Given(
        auth=("basic",), sep=" ", rotates="optional", retry="configurable", reuse="client_user_revoked"
    ),
    "slack": Given(
        auth=("post", "basic"),
        sep=",",
        life=43200,
        rotates="always",
        dead=((200, "invalid_refresh_token", ""), (200, "token_revoked", "")),
    ),
    "microsoft_entra": Given(
        auth=("post", "private_key_jwt"),
        sep=" ",
        life=3600,
        idle=7776000,
        rotates="always",
        retry="safe",
        reuse="old_still_valid",
        dead=(
            (400, "invalid_grant", "AADSTS700082"),
            (400, "invalid_grant", "AADSTS70008"),
            (400, "invalid_grant", "AADSTS50173"),
        ),
    ),
    "atlassian": Given(
        auth=("post",),
        sep=" ",
        life=3600,
        idle=7776000,
        hard=31536000,
        rotates="always",
        retry="window",
        grace=600,
        reuse="family_revoked",
        dead=((403, "invalid_grant", "Unknown or invalid refresh token"),),
    ),
    "xero": Given(
        auth=("basic",),
        sep=" ",
        life=1800,
        idle=5184000,
        rotates="always",
        retry="window",
        grace=1800,
        dead=((400, "invalid_grant", ""),),
    ),
    "quickbooks": Given(
        auth=("basic",),
        sep=" ",
        life=3600,
        idle=8726400,
        hard=157680000,
        rotates="periodic",
        retry="window",
        grace=86400,
        dead=((400, "invalid_grant", ""),),
    ),
    "zoom": Given(auth=("basic",), life=3600, hard=7776000, rotates="always"),
    "dropbox": Given(
        auth=("post", "basic", "none"),
        sep=" ",
        life=14400,
        idle=0,
        rotates="never",
        retry="safe",
        dead=((400, "invalid_grant", ""),),
    ),
    "box": Given(
        auth=("post",),
        life=3600,
        idle=5184000,
        rotates="always",
        retry="no",
        grace=0,
        dead=((400, "invalid_grant", ""),),
    ),
    "linkedin": Given(auth=("post",), sep=" ", life=5184000, hard=31536000),
    "notion": Given(auth=("basic",), rotates="always", dead=((400, "invalid_grant", ""),)),
    "zoho": Given(auth=("post",), sep=",", life=3600, rotates="never", retry="safe"),
    "stripe_apps": Given(
        auth=("secret_key_basic",), life=3600, hard=31536000, rotates="always", dead=((400, "invalid_grant", ""),)
    ),
    "shopify": Given(
        auth=("post",), sep=",", life=3600, hard=7776000, rotates="always", retry="until_successor_used", grace=2592000
    ),
    "asana": Given(auth=("post",), sep=" ", life=3600, rotates="never", retry="safe"),
    "linear": Given(auth=("post",), sep=",", life=86400, rotates="always", dead=((400, "invalid_grant", ""),)),
    "gitlab": Given(
        auth=("post", "basic"),
        sep=" ",
        life=7200,
        rotates="always",
        retry="no",
        kills=True,
        dead=((400, "invalid_grant", ""),),
    ),
    "okta": Given(
        auth=("basic", "post", "private_key_jwt", "none"),
        sep=" ",
        life=3600,
        idle=604800,
        hard=0,
        rotates="optional",
        retry="configurable",
        grace=30,
        reuse="family_revoked",
        dead=((400, "invalid_grant", ""),),
    ),
    "auth0": Given(
        auth=("post", "basic", "private_key_jwt", "none"),
        sep=" ",
        hard=2592000,
        rotates="optional",
        retry="configurable",
        grace=0,
        reuse="family_revoked",
        dead=((403, "invalid_grant", "Unknown or invalid refresh token"),),
    ),
    "exact_online": Given(
        auth=("post", "basic"),
        life=600,
        idle=2592000,
        rotates="always",
        retry="no",
        dead=((401, "unauthorized_client", "Old refresh token used"),),
    ),
    "airtable": Given(
        auth=("basic",), sep=" ", life=3600, idle=5184000, rotates="always", dead=((400, "invalid_grant", ""),)
    ),
    "figma": Given(auth=("basic",), sep=","),
    "adobe_sign": Given(auth=("post",), life=3600, idle=5184000, rotates="never", retry="safe"),
    "netsuite": Given(auth=("basic",), hard=604800),
    "pinterest": Given(auth=("basic",), life=2592000, hard=31536000),
    "miro": Given(life=3600, hard=5184000),
    "amazon_cognito": Given(rotates="optional", retry="configurable", grace=0),
    "workos": Given(life=300, rotates="always", retry="window", grace=30),
}

GUESSED: Final = {
    "access_lifetime": {"amazon_cognito"},
    "refresh_hard": {"amazon_cognito"},
    "dead_grant": {"amazon_cognito", "zoho"},
    "scope_separator": {"amazon_cognito", "pinterest"},
    "client_auth": {"amazon_cognito", "workos"},
    "rotates": {"figma"},
    "retry": {"figma"},
}
"""Facts that no source states, which stand in the files all the same: each must be marked there as unverified."""


def test_there_is_a_file_for_each_and_no_other() -> None:
    assert SHIPPED.ids() == tuple(sorted(GIVEN))
    assert len(GIVEN) == 34


@pytest.mark.parametrize("provider_id", GIVEN)
def test_the_files_agree_with_the_facts(provider_id: str) -> None:
    provider, given = SHIPPED.get(provider_id), GIVEN[provider_id]
    found = {
        "client_auth": tuple(way.value for way in provider.client_auth),
        "scope_separator": provider.scope_separator,
        "access_lifetime": provider.access_lifetime,
        "refresh_idle": provider.refresh_idle,
        "refresh_hard": provider.refresh_hard,
        "rotates": provider.rotates.value if provider.rotates else None,
        "retry": provider.retry.value,
        "grace": provider.grace,
        "reuse_effect": provider.reuse_effect.value,
        "kills_old_access_token": provider.kills_old_access_token,
        "dead_grant": tuple(
            (shape.status, shape.error, (shape.description_contains or "").rstrip(":"))
            for shape in provider.dead_grant
            if shape.error
        ),
    }
    expected = {
        "client_auth": given.auth or ("post",),
        "scope_separator": given.sep or " ",
        "access_lifetime": given.life,
        "refresh_idle": given.idle,
        "refresh_hard": given.hard,
        "rotates": given.rotates,
        "retry": given.retry,
        "grace": given.grace,
        "reuse_effect": given.reuse,
        "kills_old_access_token": given.kills,
        "dead_grant": given.dead,
    }
    for name, providers in GUESSED.items():
        if provider_id in providers:
            assert name in provider.unverified
            del expected[name]
    assert {name: found[name] for name in expected} == expected
