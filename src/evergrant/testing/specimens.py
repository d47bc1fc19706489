"""Made-up records: complete, valid and unlike each other, so that a store that drops or swaps a column is caught.

What lives here: one builder per kind of record; whatever matters to a test is a keyword. What must not: a token that a
server would accept; those come from `evergrant.testing.presenting`.
"""

from typing import Any, Final

from evergrant.domain import id as ids
from evergrant.domain.account import Account
from evergrant.domain.client import AuthMethod, Client, ClientType, Consent, SecretDigest
from evergrant.domain.family import Family, Head
from evergrant.domain.grant import Code, Flow, Grant
from evergrant.domain.key import SealedKey, Use
from evergrant.domain.lease import Lease
from evergrant.domain.policy import Preset
from evergrant.domain.receiver import Delivery, Method, Sort, Status, Stream
from evergrant.domain.secret import digest
from evergrant.domain.session import Notice, Party, Session
from evergrant.domain.throttle import Barred, Bucket

NOW: Final = 1_800_000_000
DAY: Final = 86_400


def raw(name: object) -> bytes:
    """Sixteen bytes that belong to *name*."""
    return digest("specimen", str(name))[:16]


def public(kind: ids.Kind, name: object) -> str:
    """The identifier that belongs to *name*."""
    return ids.text(kind, raw(name))


def head(now: int = NOW, **changes: Any) -> Head:
    """The head of a family born at *now*, never rotated."""
    born = Head(0, digest("head", b"first"), None, 0, 0, None, 0, now + 30 * DAY, now, "192.0.2.7", "Firefox on Linux")
    return born._replace(**changes)


def family(name: object = 1, now: int = NOW, **changes: Any) -> Family:
    """A family born at *now*."""
    born = Family(
        id=raw(("family", name)),
        client_id=public(ids.Kind.CLIENT, "client"),
        account_id=public(ids.Kind.ACCOUNT, "account"),
        grant_id=public(ids.Kind.GRANT, "grant"),
        session_id=public(ids.Kind.SESSION, "session"),
        online=False,
        scope="offline_access openid orders:read",
        resources="https://api.example https://other.example",
        binding="",
        auth_time=now - 9,
        acr="urn:example:silver",
        amr="pwd",
        claims='{"id_token":{"email":null}}',
        label="Firefox on Linux",
        started_at=now,
        absolute_end=now + 365 * DAY,
        head=head(now),
    )
    return born._replace(**changes)


def client(name: object = 1, **changes: Any) -> Client:
    """A confidential web application."""
    fields: dict[str, Any] = {
        "id": public(ids.Kind.CLIENT, ("client", name)),
        "name": f"Orders {name}",
        "type": ClientType.WEB,
        "auth_method": AuthMethod.BASIC,
        "redirect_uris": ("https://app.example/callback", "https://app.example/other"),
        "scopes": ("openid", "orders:read"),
        "grant_types": ("authorization_code", "refresh_token"),
        "preset": Preset.CONFIDENTIAL,
        "created_at": NOW,
        "post_logout_redirect_uris": ("https://app.example/bye",),
        "resources": ("https://api.example",),
        "secrets": (SecretDigest(digest("client", f"{name}"), NOW, 0), SecretDigest(b"\x00" * 32, NOW, NOW + DAY)),
        "consent": Consent.ALWAYS,
        "uri": "https://app.example",
        "id_token_alg": "Ed25519",
        "access_token_alg": "RS256",
        "idle_lifetime": 3_600,
        "absolute_lifetime": None,
        "access_lifetime": 300,
        "overlap": 0,
    }
    return Client(**{**fields, **changes})


def account(name: object = 1, **changes: Any) -> Account:
    """A person."""
    fields: dict[str, Any] = {
        "id": public(ids.Kind.ACCOUNT, ("account", name)),
        "username": f"ada-{name}@example.org",
        "email": f"ada-{name}@example.org",
        "password_hash": "$argon2id$made-up",
        "created_at": NOW,
        "email_verified": True,
        "disabled_at": NOW + 1,
        "password_changed_at": NOW + 2,
        "claims": {"name": "Ada Lovelace", "locale": "en", "address": {"country": "GB"}, "updated_at": 7, "x": None},
    }
    return Account(**{**fields, **changes})


def session(name: object = 1, **changes: Any) -> Session:
    """A signed-in browser."""
    fields: dict[str, Any] = {
        "id": public(ids.Kind.SESSION, ("session", name)),
        "account_id": public(ids.Kind.ACCOUNT, "account"),
        "digest": digest("session", str(name)),
        "previous": digest("session before", str(name)),
        "turned_at": NOW + 1,
        "started_at": NOW,
        "auth_time": NOW,
        "amr": "pwd",
        "idle_end": NOW + DAY,
        "absolute_end": NOW + 30 * DAY,
        "seen_at": NOW + 2,
        "network": "2001:db8::7",
        "agent": "Mozilla/5.0",
        "label": "Firefox on Linux",
    }
    return Session(**{**fields, **changes})


def grant(name: object = 1, **changes: Any) -> Grant:
    """A consent."""
    fields: dict[str, Any] = {
        "id": public(ids.Kind.GRANT, ("grant", name)),
        "account_id": public(ids.Kind.ACCOUNT, "account"),
        "client_id": public(ids.Kind.CLIENT, "client"),
        "scope": "openid orders:read",
        "resources": "https://api.example",
        "started_at": NOW,
        "updated_at": NOW + 1,
        "withdrawn_at": NOW + 2,
    }
    return Grant(**{**fields, **changes})


def code(name: object = 1, **changes: Any) -> Code:
    """An authorization code that was redeemed."""
    fields: dict[str, Any] = {
        "digest": digest("code", str(name)),
        "client_id": public(ids.Kind.CLIENT, "client"),
        "account_id": public(ids.Kind.ACCOUNT, "account"),
        "grant_id": public(ids.Kind.GRANT, "grant"),
        "session_id": public(ids.Kind.SESSION, "session"),
        "redirect_uri": "https://app.example/callback",
        "redirect_given": True,
        "challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "nonce": "n-0S6",
        "scope": "openid",
        "resources": "https://api.example",
        "auth_time": NOW,
        "acr": "1",
        "amr": "pwd",
        "claims": "{}",
        "issued_at": NOW,
        "expires_at": NOW + 60,
        "spent_at": NOW + 3,
        "family_id": raw("family"),
        "misses": 2,
    }
    return Code(**{**fields, **changes})


def flow(name: object = 1, **changes: Any) -> Flow:
    """An authorization request under way."""
    fields: dict[str, Any] = {
        "digest": digest("flow", str(name)),
        "browser": digest("browser", str(name)),
        "request": '{"scope":"openid"}',
        "started_at": NOW,
        "expires_at": NOW + 600,
        "signed_in_at": NOW + 1,
        "session_id": public(ids.Kind.SESSION, "session"),
        "consented_by": public(ids.Kind.ACCOUNT, "account"),
        "selected": True,
        "other": True,
        "denied": True,
        "answered_at": NOW + 2,
        "code": digest("code", str(name)),
    }
    return Flow(**{**fields, **changes})


def notice(name: object = 1, **changes: Any) -> Notice:
    """A suspected theft."""
    fields: dict[str, Any] = {
        "family_id": public(ids.Kind.FAMILY, ("family", name)),
        "account_id": public(ids.Kind.ACCOUNT, "account"),
        "client_id": public(ids.Kind.CLIENT, "client"),
        "label": "Firefox on Linux",
        "at": NOW,
        "holder": Party(NOW - 5, "192.0.2.7", "Firefox"),
        "presenter": Party(NOW, "198.51.100.9", "curl"),
        "acknowledged_at": NOW + 1,
    }
    return Notice(**{**fields, **changes})


def key(name: object = 1, **changes: Any) -> SealedKey:
    """A sealed key that opens nothing."""
    fields: dict[str, Any] = {
        "id": f"key-{name}",
        "use": Use.SIGN,
        "alg": "ES256",
        "sealed": bytes(range(256)),
        "kek_id": "0123456789abcdef",
        "public": '{"kty":"EC"}',
        "version": 3,
        "created_at": NOW,
        "active_at": NOW + 1,
        "retires_at": NOW + 2,
    }
    return SealedKey(**{**fields, **changes})


def barred(name: object = 1, **changes: Any) -> Barred:
    """A revoked access token."""
    fields: dict[str, Any] = {"jti": f"jti-{name}", "expires_at": NOW + 600}
    return Barred(**{**fields, **changes})


def stream(name: object = 1, **changes: Any) -> Stream:
    """A receiver's stream that is pushed."""
    fields: dict[str, Any] = {
        "id": public(ids.Kind.CLIENT, ("receiver", name)),
        "method": Method.PUSH,
        "endpoint": "https://receiver.example/events",
        "sealed": bytes(range(64)),
        "events": ("https://schemas.openid.net/secevent/caep/event-type/session-revoked",),
        "description": f"Receiver {name}",
        "created_at": NOW,
        "status": Status.PAUSED,
        "status_reason": "maintenance",
    }
    return Stream(**{**fields, **changes})


def delivery(name: object = 1, **changes: Any) -> Delivery:
    """A logout token on its way."""
    fields: dict[str, Any] = {
        "id": f"7.{name}",
        "client_id": public(ids.Kind.CLIENT, "client"),
        "sort": Sort.LOGOUT,
        "claims": '{"sub":"usr_1"}',
        "due_at": NOW + 3,
        "ends_at": NOW + 600,
        "tries": 2,
    }
    return Delivery(**{**fields, **changes})


def bucket(name: object = 1, **changes: Any) -> Bucket:
    """Failed sign-ins under one key."""
    fields: dict[str, Any] = {
        "key": f"account:{name}",
        "failures": 3,
        "since": NOW,
        "open_at": NOW + 4,
        "ends_at": NOW + 900,
    }
    return Bucket(**{**fields, **changes})


def lease(name: object = 1, **changes: Any) -> Lease:
    """A job that somebody does."""
    fields: dict[str, Any] = {"name": f"job {name}", "owner": "node-1:7:c0ffee", "fence": 3, "until": NOW + 60}
    return Lease(**{**fields, **changes})
