"""An unknown client looks like a known one with a wrong secret: the same answer, and the same comparisons."""

import re
from base64 import b64encode
from collections import Counter

import argon2
import pytest

from evergrant.domain.client import AuthMethod, ClientType
from evergrant.issuer import client_auth
from evergrant.testing.in_process import running

WRONG = "egs_" + "A" * 43


@pytest.fixture
async def issuer(tmp_path):
    async with running(tmp_path) as issuer:
        yield issuer


@pytest.fixture
def compared(monkeypatch):
    """Counts digests and comparisons, by the length of what is compared."""
    counts = Counter()
    digest, compare = client_auth.digest, client_auth.compare_digest

    def digested(*given):
        counts["digest"] += 1
        return digest(*given)

    def counted(one, two):
        counts[f"compare {len(one)} {len(two)}"] += 1
        return compare(one, two)

    monkeypatch.setattr(client_auth, "digest", digested)
    monkeypatch.setattr(client_auth, "compare_digest", counted)
    return counts


FORMS = {
    "/token": {"grant_type": "client_credentials"},
    "/introspect": {"token": "x"},
    "/revoke": {"token": "x"},
}


def _said(reply):
    """The body without the reference to the operator's log, which is another one each time."""
    return re.sub(rb'"error_id":"[a-z0-9]{10}"', b"", reply.body)


@pytest.mark.parametrize("path", list(FORMS))
async def test_s_10_unknown_and_known_clients_are_refused_alike_with_the_same_work(issuer, compared, path):
    basic, _ = await issuer.client(ClientType.SERVICE, "Basic", scopes=("read",))
    post, _ = await issuer.client(ClientType.SERVICE, "Post", scopes=("read",), auth_method=AuthMethod.POST)
    seen = {}
    for name, client_id in {"known": basic.id, "unknown": "cli_" + "A" * 22, "registered otherwise": post.id}.items():
        compared.clear()
        pair = b64encode(f"{client_id}:{WRONG}".encode()).decode()
        reply = await issuer.browser().post(path, FORMS[path], {"authorization": f"Basic {pair}"})
        seen[name] = (reply.status, _said(reply), reply.headers, tuple(sorted(compared.items())))
    assert len(set(seen.values())) == 1, seen
    assert seen["known"][0] == 401
    assert seen["known"][3] == (("compare 32 32", 1), ("digest", 1))
    for name, client_id in {"known": post.id, "unknown": "nobody"}.items():
        compared.clear()
        form = {**FORMS[path], "client_id": client_id, "client_secret": WRONG}
        reply = await issuer.browser().post(path, form)
        seen[name] = (reply.status, _said(reply), reply.headers, tuple(sorted(compared.items())))
    assert seen["known"] == seen["unknown"]


async def test_s_10_every_secret_of_a_client_is_compared_whichever_fits(issuer, compared):
    client, first = await issuer.client(ClientType.SERVICE, "Two", scopes=("read",))
    _, second = await issuer.house.clients.rotate_secret(client.id)
    for secret in (first, second.reveal()):
        compared.clear()
        assert (await issuer.token(client, secret, FORMS["/token"])).status == 200
        assert compared["compare 32 32"] == 2


async def test_a_10_no_machine_secret_is_hashed_slowly(issuer, monkeypatch):
    await issuer.person()
    client, secret = await issuer.client(ClientType.WEB, "Web")
    code = await issuer.code(issuer.browser(), client)

    def never(*_, **__):
        raise AssertionError("a machine's secret met a slow hash")

    monkeypatch.setattr(argon2.PasswordHasher, "verify", never)
    monkeypatch.setattr(argon2.PasswordHasher, "hash", never)
    tokens = (await issuer.redeem(client, secret, code)).json()
    assert (await issuer.refresh(client, secret, tokens["refresh_token"])).status == 200
    assert (await issuer.refresh(client, WRONG, tokens["refresh_token"])).status == 401
    for path in ("/introspect", "/revoke"):
        pair = b64encode(f"{client.id}:{secret}".encode()).decode()
        basic = {"authorization": f"Basic {pair}"}
        assert (await issuer.browser().post(path, {"token": tokens["access_token"]}, basic)).status == 200
