"""Every kind of token at every door, over real HTTP: each opens its own and no other (attacks RT-24, RT-37)."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

import pytest
import requests

from evergrant.config import Config
from evergrant.domain.client import TOKEN_EXCHANGE
from evergrant.protocol.exchange import ACCESS_TOKEN
from evergrant.resource import Introspection, Refused, SyncVerifier
from evergrant.testing.token_issuer import TokenIssuer, token_issuer
from tests.person import NAME, PASSWORD, Person
from tests.secrecy import record_secret

pytestmark = pytest.mark.long

CALLBACK: Final = "http://127.0.0.1:8765/callback"
VERIFIER: Final = "v" * 64
CHALLENGE: Final = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPES: Final = {"openid": "Know you", "offline_access": "Stay", "orders:read": "Read your orders"}

KINDS: Final = (
    "access", "access_opaque", "refresh", "id_token", "code", "client_secret", "session", "logout_token",
    "security_event", "dpop_proof", "introspection_answer", "client_assertion", "api_key", "nothing",
)  # fmt: skip
DOORS: Final = ("refresh", "code", "exchange", "introspect", "userinfo", "verifier", "id_token_hint")
OPENS: Final = frozenset({
    ("refresh", "refresh"), ("code", "code"), ("access", "exchange"), ("access_opaque", "exchange"),
    ("access", "introspect"), ("access_opaque", "introspect"), ("access", "userinfo"), ("access", "verifier"),
    ("access_opaque", "verifier"), ("id_token", "id_token_hint"),
})  # fmt: skip


class World:
    """An issuer, a person signed in at it, and one of each kind of token that was really made."""

    def __init__(self, issuer: TokenIssuer) -> None:
        self.issuer = issuer
        self.api = issuer.service("Orders", scopes=("orders:read",), grant_types=(TOKEN_EXCHANGE,))
        issuer.person(NAME, PASSWORD)
        self.client_id = issuer.application("App", CALLBACK, scopes=tuple(SCOPES))
        self.person = Person(CALLBACK)
        self.verifier = SyncVerifier.for_issuer(
            issuer.url, audience=issuer.audience, introspection=Introspection(*self.api)
        )
        self.tokens = self._tokens()
        for kind in KINDS[:-2]:
            record_secret(self.tokens[kind])

    def code(self) -> str:
        asked = {
            "client_id": self.client_id, "redirect_uri": CALLBACK, "response_type": "code", "scope": " ".join(SCOPES),
            "state": "s", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        }  # fmt: skip
        return self.person.go(f"{self.issuer.url}/authorize?{urlencode(asked)}")["code"]

    def redeem(self, code: str) -> requests.Response:
        form = {
            "grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER, "client_id": self.client_id,
            "redirect_uri": CALLBACK,
        }  # fmt: skip
        return requests.post(f"{self.issuer.url}/token", form, timeout=30)

    def _tokens(self) -> dict[str, str]:
        answer = self.redeem(self.code()).json()
        make = self.issuer.token
        event = {"http://schemas.openid.net/event/backchannel-logout": {}}
        return {
            "access": answer["access_token"], "access_opaque": self.issuer.opaque(NAME, scope="orders:read"),
            "refresh": answer["refresh_token"], "id_token": answer["id_token"], "code": self.code(),
            "client_secret": self.api[1], "session": next(iter(self.person.web.cookies)).value or "",
            "logout_token": make(NAME, typ="logout+jwt", claims={"events": event}),
            "security_event": make(NAME, typ="secevent+jwt", claims={"events": {"urn:example:event": {}}}),
            "dpop_proof": make(NAME, typ="dpop+jwt", claims={"htm": "POST", "htu": f"{self.issuer.url}/token"}),
            "introspection_answer": make(NAME, typ="token-introspection+jwt", claims={"token_introspection": {}}),
            "client_assertion": make(NAME, typ="client-authentication+jwt"), "api_key": "egp_" + "A" * 43,
            "nothing": "x",
        }  # fmt: skip

    def opens(self, kind: str, door: str) -> bool:
        """Whether a token opens a door."""
        token, url = self.tokens[kind], self.issuer.url
        match door:
            case "refresh":
                form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client_id}
                answer = requests.post(f"{url}/token", form, timeout=30)
            case "code":
                answer = self.redeem(token)
            case "exchange":
                form = {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
                answer = requests.post(f"{url}/token", form, auth=self.api, timeout=30)
            case "introspect":
                answer = requests.post(f"{url}/introspect", {"token": token}, auth=self.api, timeout=30)
                return bool(answer.json()["active"])
            case "userinfo":
                answer = requests.get(f"{url}/userinfo", headers={"Authorization": f"Bearer {token}"}, timeout=30)
            case "id_token_hint":
                answer = requests.get(f"{url}/end_session", {"id_token_hint": token}, timeout=30)
            case _:
                try:
                    self.verifier.verify(f"Bearer {token}")
                except Refused as refused:
                    return refused.status not in {400, 401}
                return True
        assert answer.status_code < 500
        if answer.ok and door in {"refresh", "code", "exchange"}:
            for name in ("access_token", "refresh_token", "id_token"):
                if name in answer.json():
                    record_secret(answer.json()[name])
        return answer.ok


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    config = Config(scopes=SCOPES)
    with token_issuer(config) as issuer:
        made = World(issuer)
        yield made
        made.verifier.close()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", KINDS)
def test_rt_24_and_rt_37_each_kind_opens_its_own_door_and_no_other(world: World, kind: str, door: str) -> None:
    assert world.opens(kind, door) is ((kind, door) in OPENS)
